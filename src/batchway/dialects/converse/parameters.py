"""What becomes of each of OpenAI's chat parameters at Converse: one row each."""

from typing import Final

from batchway.dialects.converse.media import FILENAME
from batchway.dialects.converse.rows import (
    GUIDE,
    INFERENCE,
    NOVA,
    REFERENCE,
    SHARED,
    mapped,
    not_promised,
)
from batchway.dialects.converse.tools import STRICT, STRICT_FUNCTION
from batchway.dialects.requests.parameters import Parameters

_DOCUMENTS: Final = REFERENCE + "API_runtime_DocumentBlock.html"
_SCHEMAS: Final = GUIDE + "structured-output.html"
_SHOWN: Final = (
    "This model is shown the schema, but is not held to it: arguments may differ from it. Claude "
    "from 4.5 on and the open models of 2025 and later are (`strict`)."
)

CHAT: Final = Parameters(
    [
        *SHARED,
        mapped(
            "messages[].content[].file.file_data",
            "`document` of a PDF, CSV, Word, Excel, HTML, Markdown or plain text file, with words "
            "beside it in the same turn; `image`, `video` and `audio` where the model takes them.",
            _DOCUMENTS,
        ),
        mapped(
            "messages[].content[].file.file_id",
            "At Nova an s3:// address below the setting `readable` is an `s3Location`, and so "
            "it is of an image; others, and ids of OpenAI's files, are rejected.",
            REFERENCE + "API_runtime_S3Location.html",
        ),
        mapped(
            FILENAME,
            "The document's `name`, in the characters that the API takes, and unique; images, "
            "sound and video have none.",
            _DOCUMENTS,
        ),
        mapped(
            "tools",
            "`toolConfig`, functions only. Batch jobs of Converse take no tools: rejected there.",
            GUIDE + "batch-inference-supported.html",
        ),
        not_promised(STRICT, _SHOWN, False, source=_SCHEMAS),
        not_promised(STRICT_FUNCTION, _SHOWN, False, source=_SCHEMAS),
        mapped(
            "temperature",
            "`temperature`, 0 to 1. Claude's models from Opus 4.7 on take no other than 1.",
            INFERENCE,
        ),
        mapped(
            "top_p", "`topP`, 0 to 1. Claude's models from Opus 4.7 on take no other.", INFERENCE
        ),
        mapped(
            "stop",
            "`stopSequences`, none of them empty. Llama takes none, and Claude none of white space "
            "only: rejected there.",
            INFERENCE,
        ),
        mapped(
            "reasoning_effort",
            "Claude: `thinking`, and `output_config.effort` where it has that; Nova 2: "
            "`reasoningConfig` (low, medium, high; high goes with no temperature, top_p and limit "
            "of tokens); gpt-oss: `reasoning_effort` (low, medium, high). Rejected at other models "
            "that think; none is taken where there is nothing to turn off.",
            NOVA + "extended-thinking.html",
        ),
        mapped(
            "response_format",
            "`outputConfig.textFormat` for json_schema, at Claude from 4.5 on and the open models "
            "of 2025 and later; at Nova the input of a tool that it is made to call. Rejected at "
            "others, and for json_object: there is no JSON mode.",
            _SCHEMAS,
        ),
        mapped(
            "response_format.json_schema.schema",
            "Objects are closed; what the grammar has no word for goes into descriptions. What is "
            "recursive, or has objects with any keys, is rejected.",
            _SCHEMAS,
        ),
    ]
)
