"""Every family at one door: which reads a body, and answers it."""

from typing import assert_never, cast

from batchway.simulator.aws import anthropic, chat, converse, nova, prompted, vectors
from batchway.simulator.aws.answering import Ran
from batchway.simulator.aws.behaviour import Behaviour
from batchway.simulator.aws.families import Family
from batchway.simulator.aws.schema import malformed


def run(
    body: object, *, family: str, model: str, behaviour: Behaviour, now: float, batch: bool
) -> Ran:
    """Answer a body. `model` is what the caller called it. Raises `Refused`."""
    try:
        return _run(body, family=family, model=model, behaviour=behaviour, now=now, batch=batch)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # No rule names it, and no vendor could answer it: a call without a name, an image that is
        # not Base64.
        raise malformed(f"it cannot be read ({type(error).__name__})") from error


def _run(
    body: object, *, family: str, model: str, behaviour: Behaviour, now: float, batch: bool
) -> Ran:
    size = behaviour.dimensions
    known = cast("Family", family)
    match known:
        case "anthropic":
            return anthropic.run(body, model=model)
        case "nova":
            return nova.run(body, model=model)
        case "openai":
            return chat.run(body, model=model, created=now, reasoning=behaviour.reasoning)
        case "mistral-chat":
            return chat.run_mistral(body, model=model)
        case "mistral":
            return prompted.run_mistral(body, model=model)
        case "deepseek":
            return prompted.run_deepseek(body, model=model)
        case "llama":
            return prompted.run_llama(body, model=model)
        case "titan-v1" | "titan-v2" | "titan-image":
            return vectors.run_titan(body, model=model, version=known, size=size)
        case "cohere-v3" | "cohere-v4":
            return vectors.run_cohere(body, model=model, version=known, size=size)
        case "nova-embedding":
            return vectors.run_nova(body, model=model, size=size)
        case "converse":
            return converse.run(body, model=model, batch=batch)
        case _:
            assert_never(known)
