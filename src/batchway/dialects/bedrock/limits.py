"""The few parameters that every model of Bedrock's has: limits and sampling, within its ranges."""

from batchway.dialects.requests.chat import ChatRequest
from batchway.dialects.unsayable import Unsayable


def most_tokens(request: ChatRequest) -> int | None:
    """How many tokens the answer may have; `None` where the line says nothing of it.

    Raises:
        Unsayable: the two names of it disagree, or it is none.
    """
    newer, older = request.max_completion_tokens, request.max_tokens
    if newer is not None and older is not None and newer != older:
        raise Unsayable("max_tokens", "It contradicts `max_completion_tokens`.")
    most = older if newer is None else newer
    if most is not None and most < 1:
        param = "max_tokens" if newer is None else "max_completion_tokens"
        raise Unsayable(param, "OpenAI's API takes 1 or more here.")
    return most


def share(value: float | None, param: str) -> float | None:
    """A temperature or a `top_p` of models that take up to 1.

    Raises:
        Unsayable: it is beyond that.
    """
    if value is not None and not 0 <= value <= 1:
        raise Unsayable(param, "This model takes 0 to 1.")
    return value


def stops(stop: str | list[str] | None, most: int) -> list[str] | None:
    """The sequences to stop at, `None` for none.

    Raises:
        Unsayable: there are more than `most`, or one of them is empty.
    """
    sequences = [stop] if isinstance(stop, str) else stop
    if not sequences:
        return None
    if len(sequences) > most or not all(sequences):
        raise Unsayable("stop", f"This model takes up to {most} sequences, none of them empty.")
    return sequences
