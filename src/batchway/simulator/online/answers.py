"""What the simulator answers: a pure function of the request's body, with no clock or chance.

Owns the content (texts, vectors, scores and token counts), so that a test can compute what a line
must have got. Does not own the JSON around it (`shapes`) or the comparison (`verification`).

Every text starts with `[digest]`, the first 16 hex digits of SHA-256 over the model and the prompt,
so that it survives any cap on the output and tells whose answer a line got; it ends with a line
`#### <number>`, as answers to GSM8K do.
"""

import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import msgspec

from batchway.simulator.online.endpoints import Endpoint, endpoint_named

Body = Mapping[str, Any]

DEFAULT_DIMENSIONS: Final = 8
# The one endpoint whose `model` is optional.
DEFAULT_MODERATION_MODEL: Final = "omni-moderation-latest"

# Sixty-four words, so that six bits of the hash pick one; each brings its space.
_WORDS: Final = tuple(
    re.findall(
        " [a-z]+",
        " amber anchor apple arrow autumn basket beacon birch bridge candle canyon cedar circle"
        " cloud clover copper coral cotton dawn delta ember falcon feather fern field flint"
        " forest garden glacier granite harbor hazel heron hollow island ivory jasmine kettle"
        " lantern lemon linen maple marble meadow mirror morning orchard pebble pepper pine"
        " prairie quartz raven river saddle silver sparrow spruce summer thunder timber valley"
        " velvet willow",
    )
)

_CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One thing to answer: its canonical text and how many tokens it counts as."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One generated text; `finish` is OpenAI's `finish_reason`."""

    text: str
    tokens: int
    finish: Literal["stop", "length"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All that is compared about a response. `outputs` is empty unless texts are generated."""

    digest: str
    prompts: tuple[Prompt, ...]
    outputs: tuple[Output, ...]

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, each counted once however many choices it draws."""
        return sum(prompt.tokens for prompt in self.prompts)

    @property
    def output_tokens(self) -> int:
        """Tokens of all outputs."""
        return sum(output.tokens for output in self.outputs)


def model_of(endpoint: Endpoint, body: Body) -> str:
    """The model that a body asks for."""
    if endpoint is Endpoint.MODERATIONS:
        return str(body.get("model") or DEFAULT_MODERATION_MODEL)
    return str(body["model"])


def answer(endpoint: Endpoint, body: Body, *, model: str) -> Answer:
    """Work out the answer to a valid body."""
    prompts = prompts_of(endpoint, body)
    if endpoint is Endpoint.CHAT or endpoint is Endpoint.RESPONSES:
        seed = _seed(model, prompts[0].text)
        digest = seed.hex()[:16]
        outputs = _outputs(seed, digest, cap=_cap(endpoint, body), choices=_choices(endpoint, body))
    elif endpoint is Endpoint.COMPLETIONS:
        outputs = ()
        for prompt in prompts:
            seed = _seed(model, prompt.text)
            outputs += _outputs(
                seed,
                seed.hex()[:16],
                cap=_cap(endpoint, body),
                choices=_choices(endpoint, body),
            )
        digest = _digest(model, prompts)
    else:
        outputs = ()
        digest = _digest(model, prompts)
    return Answer(digest=digest, prompts=prompts, outputs=outputs)


def prompt_digest(endpoint: str, body: Body, *, model: str | None = None) -> str:
    """The digest under which the simulator records a body (`requests_by_digest`).

    `model` is the upstream model where a route renamed the body's own.
    """
    known = endpoint_named(endpoint)
    return _digest(model or model_of(known, body), prompts_of(known, body))


def expected_text(endpoint: str, body: Body, *, model: str | None = None) -> str:
    """The text that the simulator generates for a chat, responses or completions body.

    `model` is the upstream model where a route renamed the body's own. Of several choices or
    prompts it is the first one's text.

    Raises:
        ValueError: the endpoint generates no text.
    """
    known = endpoint_named(endpoint)
    outputs = answer(known, body, model=model or model_of(known, body)).outputs
    if not outputs:
        raise ValueError(f"{endpoint} generates no text")
    return outputs[0].text


def expected_embedding(text: str, model: str, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
    """The unit vector of one input, each number rounded to seven places.

    A list of tokens has its JSON as text.
    """
    raw = hashlib.shake_256(_subject(model, text)).digest(4 * dimensions)
    numbers = struct.unpack(f"<{dimensions}i", raw)
    norm = sum(number * number for number in numbers) ** 0.5
    return [round(number / norm, 7) for number in numbers]


def expected_moderation(text: str, model: str = DEFAULT_MODERATION_MODEL) -> dict[str, Any]:
    """The result for one input: scores from the hash, flagged for about one text in eight."""
    seed = _seed(model, text)
    # A score above one half flags its category; only an unlucky first byte lets one get there.
    unlucky = seed[31] < 32
    worst = seed[30] % len(_CATEGORIES)
    scores = {
        name: round((seed[index] / 256 + (unlucky and index == worst)) / 2, 4)
        for index, name in enumerate(_CATEGORIES)
    }
    categories = {name: unlucky and index == worst for index, name in enumerate(_CATEGORIES)}
    return {
        "flagged": unlucky,
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }


def prompts_of(endpoint: Endpoint, body: Body) -> tuple[Prompt, ...]:
    """The canonical prompts of a valid body: one per item of a list input, else one."""
    match endpoint:
        case Endpoint.CHAT:
            return (_prompt("\n".join(_message(message) for message in body["messages"])),)
        case Endpoint.RESPONSES:
            given: str | list[Any] = body["input"]
            lines = (
                ["user: " + given] if isinstance(given, str) else [_message(item) for item in given]
            )
            if body.get("instructions"):
                lines.insert(0, f"system: {body['instructions']}")
            return (_prompt("\n".join(lines)),)
        case Endpoint.COMPLETIONS:
            return _items(body["prompt"])
        case Endpoint.EMBEDDINGS:
            return _items(body["input"])
        case Endpoint.MODERATIONS:
            parts = body["input"]
            if isinstance(parts, list) and parts and isinstance(parts[0], dict):
                return (_prompt(_content(cast("list[Any]", parts))),)
            return _items(parts)


def _items(given: object) -> tuple[Prompt, ...]:
    if isinstance(given, str):
        return (_prompt(given),)
    if isinstance(given, list):
        items = cast("list[object]", given)
        if items and isinstance(items[0], int):
            return (Prompt(text=_json(items), tokens=len(items)),)
        return tuple(prompt for item in items for prompt in _items(item))
    return (_prompt(_json(given)),)


def _prompt(text: str) -> Prompt:
    # Four characters a token: the usual rule of thumb, and never zero.
    return Prompt(text=text, tokens=max(1, (len(text) + 3) // 4))


def _message(message: object) -> str:
    if not isinstance(message, dict) or "role" not in message:
        return _json(message)
    fields = cast("dict[str, Any]", message)
    line = f"{fields['role']}: {_content(fields.get('content'))}"
    rest = {
        name: value
        for name, value in fields.items()
        if name not in ("role", "content", "type") and value is not None
    }
    return f"{line} {_json(rest)}" if rest else line


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not isinstance(content, list):
        return _json(content)
    texts: list[str] = []
    for part in cast("list[object]", content):
        fields = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
        text = fields.get("text")
        texts.append(text if isinstance(text, str) else _json(part))
    return "\n".join(texts)


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _cap(endpoint: Endpoint, body: Body) -> int | None:
    if endpoint is Endpoint.RESPONSES:
        return body.get("max_output_tokens")
    newer = body.get("max_completion_tokens")
    return newer if newer is not None else body.get("max_tokens")


def _choices(endpoint: Endpoint, body: Body) -> int:
    return 1 if endpoint is Endpoint.RESPONSES else body.get("n") or 1


def _outputs(seed: bytes, digest: str, *, cap: int | None, choices: int) -> tuple[Output, ...]:
    outputs = [_output(seed, digest, cap)]
    for index in range(1, choices):
        further = hashlib.sha256(seed + index.to_bytes(4, "big")).digest()
        outputs.append(_output(further, digest, cap))
    return tuple(outputs)


def _output(seed: bytes, digest: str, cap: int | None) -> Output:
    # A piece is a token. The digest is the first, so that no cap takes it away.
    words = [_WORDS[byte & 63] for byte in (seed + seed)[: 8 + seed[0] % 56]]
    number = int.from_bytes(seed[-4:], "big") % 1000
    pieces: Sequence[str] = (f"[{digest}]", *words, f"\n#### {number}")
    if cap is None or cap >= len(pieces):
        return Output(text="".join(pieces), tokens=len(pieces), finish="stop")
    return Output(text="".join(pieces[:cap]), tokens=cap, finish="length")


def _digest(model: str, prompts: tuple[Prompt, ...]) -> str:
    if len(prompts) == 1:
        return _seed(model, prompts[0].text).hex()[:16]
    return _seed(model, _json([prompt.text for prompt in prompts])).hex()[:16]


def _seed(model: str, text: str) -> bytes:
    return hashlib.sha256(_subject(model, text)).digest()


def _subject(model: str, text: str) -> bytes:
    # JSON may hold a lone surrogate, which strict UTF-8 cannot encode.
    return f"{model}\n{text}".encode(errors="surrogatepass")
