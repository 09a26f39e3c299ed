"""What becomes of OpenAI's embeddings parameters at Amazon Nova, and what its model takes.

Data, with its source. One parameter here is none of OpenAI's: `input_type`.
"""

from typing import Final

from batchway.dialects.requests.parameters import Handling, Parameter, Parameters
from batchway.dialects.vectors.limits import Limits

_PAGE: Final = "https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html"

EMBEDDINGS: Final = Parameters(
    [
        Parameter(
            "input",
            Handling.MAPPED,
            "text.value. Each text is a request of its own. Tokens of OpenAI's models and empty "
            "texts are refused, and so is a text of more than 50,000 characters. One of more "
            "tokens than the model takes fails: nothing is cut.",
            source=_PAGE,
        ),
        Parameter("model", Handling.MAPPED, "The model, in the address or the job.", source=_PAGE),
        Parameter(
            "dimensions",
            Handling.MAPPED,
            "embeddingDimension: 256, 384, 1,024 or 3,072. Another number is refused.",
            source=_PAGE,
        ),
        Parameter(
            "encoding_format",
            Handling.MAPPED,
            "Batchway writes base64 itself, as OpenAI does: floats of 32 bits.",
            source=_PAGE,
        ),
        Parameter("user", Handling.IGNORED, "Amazon Nova knows no end users.", source=_PAGE),
        Parameter(
            "input_type",
            Handling.MAPPED,
            "embeddingPurpose, which Nova demands and OpenAI does not have: search_document is "
            "GENERIC_INDEX, and the default; search_query is GENERIC_RETRIEVAL; classification and "
            "clustering are themselves.",
            source=_PAGE,
        ),
    ]
)

MODELS: Final = (
    Limits(
        named="amazon.nova-2-multimodal-embeddings",
        numbers=(256, 384, 1_024, 3_072),
        characters=50_000,  # by its errors ("expected maxLength: 50000"), not by its page
        source=_PAGE,
        date="2026-11",
    ),
)
