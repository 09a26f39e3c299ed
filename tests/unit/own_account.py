"""A class of accounts as small as one can be, for `test_own_account`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.ports import Clock, Encoded, Online, Request

NO_CLASS = "text"


class Managed:
    """Has no batch API, and is particular about its options."""

    def __init__(self, *, name: str, options: Mapping[str, Any], clock: Clock) -> None:
        self.name = name
        self.clock = clock
        if options["key"] == "short":
            raise ValueError("the key is too short")
        self.options = options

    def online(self, call: Call) -> Online | None:
        del call
        return None

    def jobs(self, call: Call) -> None:
        del call

    def archive(self, overrides: object) -> None:
        del overrides

    async def health(self, model: str) -> Sequence[Request]:
        return [Request(f"http://own/{model}", {})]

    async def close(self) -> None:
        return None


class Native(Managed):
    """Says what its jobs may hold."""

    traits = NativeTraits(
        endpoints=frozenset({"/v1/chat/completions"}), max_lines=100, max_bytes=1_000, min_lines=10
    )


class Choosy(Native):
    """Its models differ: small ones have smaller jobs, and rare ones none."""

    @staticmethod
    def traits_of(model: str, overrides: Overrides) -> NativeTraits | None:
        if model.startswith("rare") or overrides.vertex_region == "nowhere":
            return None
        return replace(Native.traits, max_lines=20) if model == "small" else Native.traits

    @classmethod
    def objection(cls, model: str, endpoint: str) -> str | None:
        return f"{cls.__name__} has no {model} at {endpoint}." if model == "none" else None


class Plain(Native):
    """Asks for itself where there is no account."""

    def objection(self, model: str, endpoint: str) -> str | None:
        del self, model, endpoint


class Silent(Managed):
    """Tells models apart, and not that it has a batch API."""

    @staticmethod
    def traits_of(model: str, overrides: Overrides) -> NativeTraits | None:
        del model, overrides


class Brief(Managed):
    """Its online API has no `seed` and no `metadata`."""

    class _Way:
        class _Dialect:
            faithful = False

            def encode(self, body: bytes, *, named: str) -> Encoded:
                del named
                left = tuple(name for name in ("seed", "metadata") if f'"{name}"'.encode() in body)
                return Encoded((body,), warnings=left)

        dialect = _Dialect()

    def online(self, call: Call) -> Any:
        del call
        return self._Way()


class Lacking:
    """Has not everything that an account has."""

    def online(self, call: Call) -> None:
        del call


class Odd(Managed):
    """Says its limits as no limits are said."""

    traits = "a hundred lines"
