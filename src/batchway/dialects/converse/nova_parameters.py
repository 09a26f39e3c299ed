"""What becomes of each of OpenAI's chat parameters in Amazon Nova's own body: one row each."""

from typing import Final

from batchway.dialects.converse.media import FILENAME
from batchway.dialects.converse.rows import INFERENCE, NOVA, SHARED, ignored, mapped
from batchway.dialects.converse.tools import STRICT, STRICT_FUNCTION
from batchway.dialects.requests.parameters import Parameters

_SCHEMA: Final = NOVA + "request-response-schema.html"
_BOUND: Final = "Nova is bound to the schemas of its tools, strict or not."
_STRUCTURED: Final = (
    "https://docs.aws.amazon.com/nova/latest/userguide/concept-chapter-servicename.html"
)
_TROUBLE: Final = (
    "https://docs.aws.amazon.com/nova/latest/userguide/prompting-tool-troubleshooting.html"
)

CHAT: Final = Parameters(
    [
        *SHARED,
        mapped(
            "messages[].content[].file.file_data",
            "`video` (MP4, MOV, MKV, WebM and others), `image`, and `audio` where the model hears. "
            "Documents are rejected: Nova takes them over Converse only.",
            _SCHEMA,
        ),
        mapped(
            "messages[].content[].file.file_id",
            "A video's s3:// address below the setting `readable` is an `s3Location`; others, and "
            "ids of OpenAI's files, are rejected.",
            _SCHEMA,
        ),
        ignored(FILENAME, "Nova is not told the names of files.", source=_SCHEMA),
        mapped("tools", "`toolConfig`, functions only.", _SCHEMA),
        mapped(
            "tools[].function.parameters",
            "`inputSchema`, references written out. At its root Nova knows type, properties and "
            "required: other words that would bind a value are rejected.",
            _TROUBLE,
        ),
        mapped(STRICT, _BOUND, _STRUCTURED),
        mapped(STRICT_FUNCTION, _BOUND, _STRUCTURED),
        mapped("temperature", "`temperature`, 0 to 1.", _SCHEMA),
        mapped("top_p", "`topP`, 0 to 1.", _SCHEMA),
        mapped("stop", "`stopSequences`, none of them empty.", INFERENCE),
        mapped(
            "reasoning_effort",
            "`reasoningConfig` of Nova 2: low (minimal too), medium, high (xhigh, max too). high "
            "goes with no temperature, top_p and limit of tokens. Nova 1 does not think: rejected, "
            "but for none.",
            NOVA + "extended-thinking.html",
        ),
        mapped(
            "response_format",
            "json_schema is the input of a tool that Nova is made to call, as AWS advises, with no "
            "other tools beside it; what it says beside the call is its reasoning_content. "
            "json_object is rejected: there is no JSON mode.",
            _STRUCTURED,
        ),
        mapped(
            "response_format.json_schema.schema",
            "That tool's `inputSchema`, of an object, as of tools.",
            _STRUCTURED,
        ),
    ]
)
