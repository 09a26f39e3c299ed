"""What a text is embedded for, where models ask: `input_type`, by Cohere's words for it.

OpenAI's API has no such parameter. A batch mostly embeds what is to be found later, so that is
what a text is for unless its line says otherwise. Pure.
"""

from typing import Final

from batchway.dialects.requests.embeddings import TypedEmbeddingsRequest
from batchway.ports.dialect import Unfaithful

DOCUMENT: Final = "search_document"
_USES: Final = (DOCUMENT, "search_query", "classification", "clustering")


def use_of(request: TypedEmbeddingsRequest) -> str | Unfaithful:
    """One of the four words, or that it is none of them."""
    use = DOCUMENT if request.input_type is None else request.input_type
    if use not in _USES:
        return Unfaithful(
            "input_type", f"Texts are embedded for {', '.join(_USES[:-1])} or {_USES[-1]}."
        )
    return use
