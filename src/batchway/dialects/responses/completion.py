"""A chat completion as typed values: what a Response is made of.

    body bytes --read_completion--> Completion, or `None` where there is no message in it

What is `Any` or raw has been seen in other types than it should have: an answer that was paid for
is not lost for an odd field, which is read as far as it can be. Owns the reading, of dialects' own
completions and of those that servers of open models write themselves. Pure.
"""

import json
from typing import Any, Final

import msgspec

from batchway.dialects.answers.chat import Warned

_NOTHING: Final = msgspec.Raw()
_CITATION: Final = "url_citation"


class CalledFunction(msgspec.Struct, gc=False):
    """`arguments` are JSON as text; some servers give the JSON itself, or none."""

    name: str = ""
    arguments: Any = None


class Call(msgspec.Struct, gc=False):
    """A call of a function."""

    id: Any = None
    function: CalledFunction | None = None


class Citation(msgspec.Struct, gc=False):
    """An address that words of the text are from."""

    url: str
    title: str | None = None
    start_index: int = 0
    end_index: int = 0


class Said(msgspec.Struct, gc=False):
    """What the model said. What it thought is `reasoning_content`, at some newer servers
    `reasoning`.
    """

    content: Any = None
    refusal: Any = None
    tool_calls: list[Call] | None = None
    annotations: msgspec.Raw = _NOTHING
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def text(self) -> str | None:
        """Its words; some servers give them in parts, as requests have them."""
        content = self.content
        if not isinstance(content, list):
            return content if isinstance(content, str) else None
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join([text for text in texts if isinstance(text, str)])

    @property
    def thought(self) -> str:
        """What it told of its thinking."""
        thought = self.reasoning_content or self.reasoning
        return thought if isinstance(thought, str) else ""

    @property
    def citations(self) -> list[Citation]:
        """The annotations that cite an address."""
        if not bytes(self.annotations):
            return []
        try:
            found = _read_annotations(self.annotations)
        except msgspec.MsgspecError:
            return []
        return [
            each.url_citation
            for each in found or ()
            if each.type == _CITATION and each.url_citation is not None
        ]


class _Choice(msgspec.Struct, gc=False):
    message: Said | None = None
    finish_reason: Any = None
    logprobs: msgspec.Raw = _NOTHING


class _Extended(msgspec.Struct, gc=False):
    warnings: list[Warned] = []


class _Read(msgspec.Struct, gc=False):
    choices: list[_Choice]
    id: Any = None
    created: Any = None
    model: Any = None
    usage: msgspec.Raw = _NOTHING
    service_tier: Any = None
    batchway: _Extended | None = None


class _Annotation(msgspec.Struct, gc=False):
    type: str = ""
    url_citation: Citation | None = None


class Likely(msgspec.Struct, gc=False):
    """A token that might have stood there; `bytes` are its UTF-8."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class Token(msgspec.Struct, gc=False):
    """A token of the answer; `bytes` are its UTF-8."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[Likely] = []


class _Logprobs(msgspec.Struct, gc=False):
    content: list[Token] | None = None


class _CacheDetails(msgspec.Struct, gc=False):
    cache_write_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens_details: _CacheDetails | None = None


class Completion(msgspec.Struct, frozen=True, gc=False):
    """What it does not tell is empty, or 0. `id` is without its prefix."""

    id: str
    created: int | float
    model: str
    said: Said
    finish_reason: str
    service_tier: str
    logprobs: msgspec.Raw
    usage: bytes
    warnings: list[Warned]

    @property
    def told_usage(self) -> bool:
        """Whether it tells its tokens at all."""
        return self.usage.startswith(b"{")

    @property
    def cache_writes(self) -> int:
        """The tokens of the prompt that went into the provider's cache."""
        if b"cache_write_tokens" not in self.usage:
            return 0
        try:
            details = _read_usage(self.usage).prompt_tokens_details
        except msgspec.MsgspecError:
            return 0
        return 0 if details is None else details.cache_write_tokens or 0

    @property
    def tokens(self) -> list[Token] | None:
        """The logprobs of its text, every token with its bytes."""
        if not bytes(self.logprobs):
            return None
        try:
            tokens = _read_logprobs(self.logprobs)
        except msgspec.MsgspecError:
            return None
        if tokens is None or tokens.content is None:
            return None
        for token in tokens.content:
            for each in (token, *token.top_logprobs):
                if each.bytes is None:
                    each.bytes = list(each.token.encode())
        return tokens.content


_read: Final = msgspec.json.Decoder(_Read).decode
_read_annotations: Final = msgspec.json.Decoder(list[_Annotation] | None).decode
_read_logprobs: Final = msgspec.json.Decoder(_Logprobs | None).decode
_read_usage: Final = msgspec.json.Decoder(_Usage).decode


def read_completion(body: bytes) -> Completion | None:
    """The first choice of a completion, and what stands beside it. Never raises."""
    read = _body(body)
    choice = read.choices[0] if read is not None and read.choices else None
    if read is None or choice is None or choice.message is None:
        return None
    created = read.created
    return Completion(
        id=_text(read.id).removeprefix("chatcmpl-"),
        created=created if isinstance(created, int | float) else 0,
        model=_text(read.model),
        said=choice.message,
        finish_reason=_text(choice.finish_reason),
        service_tier=_text(read.service_tier),
        logprobs=choice.logprobs,
        usage=bytes(read.usage),
        warnings=[] if read.batchway is None else read.batchway.warnings,
    )


def _body(body: bytes) -> _Read | None:
    try:
        return _read(body)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, RecursionError):
        pass
    # Clients read what this decoder refuses, such as half a character as an escape.
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return _read(text.encode("utf-8", "replace"))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
