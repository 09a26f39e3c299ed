"""Dialects: what a line becomes at an account, and what the account's answers become again.

    encode    an OpenAI body --> the bodies of the requests to send, or why it cannot be said
    decode    the answer to one of them --> an OpenAI body, or an error in OpenAI's shape
    join      the results of several bodies --> the line's
    measure   how large a line is, before it is sent

Everything here is pure and on the path of every line: no I/O, no clock, no state that a line
leaves behind but what spares the next one work and changes nothing in it. Bodies that need no
change are passed on byte for byte, never encoded again.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from batchway.domain.batch import Usage


class Encoded(msgspec.Struct, frozen=True, gc=False):
    """A line in a dialect: one request for each of `bodies`, at least one, each one line of JSON.

    A job tells at most 4,096 bodies of a line apart (`dialects.line_ids`).

    `context` is what `decode` and `join` need to know of the line. It is kept for each line of a
    job, so it is small: tens of bytes. `warnings` are the parameters that change nothing there and
    are left out, by name: the result says so too.

    `shape` is for batch APIs that read a job's input into one table, and fail the whole job when
    two of its lines disagree on what stands at a place: what stands at each place of the line where
    that can be, as `(place, kind)`. Lines that share a place and not its kind do not share a job.
    """

    bodies: tuple[bytes, ...]
    context: bytes = b""
    warnings: tuple[str, ...] = ()
    shape: tuple[tuple[str, str], ...] = ()


class Unfaithful(msgspec.Struct, frozen=True, gc=False):
    """The line cannot be said in this dialect without changing what it asks for.

    `param` is the place in the body, such as `logprobs` or `messages[1].content`, empty where it is
    the body as such; `why` a sentence
    for the batch's owner, which quotes nothing of the line.
    """

    param: str
    why: str

    @property
    def place(self) -> str:
        """The place in the line."""
        return f"body.{self.param}" if self.param else "body"


class Result(msgspec.Struct, frozen=True, gc=False):
    """An answer as OpenAI would give it: `body` is a JSON object in one line of UTF-8."""

    body: bytes
    usage: Usage


class Refused(msgspec.Struct, frozen=True, gc=False):
    """An answer that is an error.

    `status` is the HTTP status that it stands for, never a 2xx: that of the answer, or for an error
    in a 2xx what the error says of itself. `code` and `kind` (its type) are the provider's words,
    short and printable, empty where it has none; `message` is what people read. `of_account` is
    whether these words tell of the account (its key, its credit, its state) and not of the line;
    `no_credit` whether they tell that it has to be paid for, `of_model` whether that it has no such
    model. `body` is the error as OpenAI would
    give it, in one line of JSON. `advice` is what the account's owner can do about it, a clause
    such as `enable the API in the project`; empty where nothing better is known than the status.
    """

    status: int
    code: str
    kind: str
    message: str
    of_account: bool
    body: bytes
    no_credit: bool = False
    of_model: bool = False
    advice: str = ""

    @property
    def short(self) -> str:
        """What to quote of it: the code, or the type where there is no code but an HTTP status."""
        code = self.code
        return self.kind if not code or code.isdigit() else code


class Size(msgspec.Struct, frozen=True, gc=False):
    """How large a line is: a guess at its `tokens`, answer included; `inputs` texts to embed."""

    tokens: int
    inputs: int = 1


class Dialect(Protocol):
    """A wire format of bodies, bound to one endpoint and one upstream model. Pure."""

    @property
    def faithful(self) -> bool:
        """Whether every OpenAI body can be said in it: then no line has to be tried at ingest."""
        ...

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        """The requests of a line. `named` is the model as the body spells it.

        Raises:
            ValueError: no request can be made of it at all; the error may quote the line.
        """
        ...

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """What the answer to one body is; never raises, whatever came.

        A 2xx is a `Result`, or a `Refused` if it is an error for all its status, or `None` if it is
        no JSON object at all. Every other status is a `Refused`, also where its body is no JSON.
        `at` is when it was given, in Unix seconds, for answers that do not say (0: not known).
        """
        ...

    def join(self, results: Sequence[Result], context: bytes) -> Result:
        """The line's result, of one for each of its bodies in their order. Only called for several.

        Usages are added up.
        """
        ...

    def measure(self, body: bytes) -> Size:
        """The size of a line, from its OpenAI body. Never raises: odd bodies are the provider's."""
        ...
