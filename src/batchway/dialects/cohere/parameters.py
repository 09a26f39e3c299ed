"""What becomes of OpenAI's embeddings parameters at Cohere's models, and what those take.

Data, with its source. One parameter here is none of OpenAI's: `input_type`.
"""

from typing import Final

from batchway.dialects.requests.parameters import Handling, Parameter, Parameters
from batchway.dialects.vectors.limits import Limits

_GUIDE: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide"
_V3: Final = f"{_GUIDE}/model-parameters-embed-v3.html"
_V4: Final = f"{_GUIDE}/model-parameters-embed-v4.html"

EMBEDDINGS: Final = Parameters(
    [
        Parameter(
            "input",
            Handling.MAPPED,
            "texts, 96 in a request. Tokens of OpenAI's models and empty texts are refused, and so "
            "is a text of more than 2,048 characters at Embed v3. One of more tokens than the "
            "model takes fails: nothing is cut.",
            source=_V3,
        ),
        Parameter("model", Handling.MAPPED, "The model, in the address or the job.", source=_V3),
        Parameter(
            "dimensions",
            Handling.MAPPED,
            "output_dimension: 256, 512, 1,024 or 1,536 at Embed v4. Vectors of Embed v3 have "
            "1,024 numbers. Another number is refused.",
            source=_V4,
        ),
        Parameter(
            "encoding_format",
            Handling.MAPPED,
            "Batchway writes base64 itself, as OpenAI does: floats of 32 bits.",
            source=_V3,
        ),
        Parameter("user", Handling.IGNORED, "Cohere's models know no end users.", source=_V3),
        Parameter(
            "input_type",
            Handling.MAPPED,
            "input_type, which Cohere demands and OpenAI does not have: search_document unless the "
            "line says search_query, classification or clustering.",
            source=_V3,
        ),
    ]
)

MODELS: Final = (
    *(
        Limits(named=named, numbers=(1_024,), characters=2_048, source=_V3, date="2026-11")
        for named in ("cohere.embed-english-v3", "cohere.embed-multilingual-v3")
    ),
    Limits(
        named="cohere.embed-v4",
        numbers=(256, 512, 1_024, 1_536),
        source=_V4,
        date="2026-11",
    ),
)
