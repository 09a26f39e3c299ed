"""A running fake as tests see it: by its origin, through `/__control__` and `/__stats__`."""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

_PATIENCE: Final = 30.0


class Remote:
    """A running fake; `origin` is such as `http://127.0.0.1:40123`."""

    def __init__(self, *, origin: str) -> None:
        self.origin = origin

    def control(self, **dials: Any) -> dict[str, Any]:
        """Turn dials of `Behaviour`, or `advance` the clock by seconds; answers all dials.

        Raises:
            urllib.error.HTTPError: there is no such dial, or not with such a value.
        """
        return self.asked("/__control__", dials)

    def trouble(self, *rules: Mapping[str, Any]) -> None:
        """Replace the rules; none: all is well."""
        self.control(rules=list(rules))

    def down(self, seconds: float) -> None:
        """Stop listening for a while: connections are refused, and the jobs live on."""
        self.control(down=seconds)
        time.sleep(0.1)

    def stats(self) -> dict[str, Any]:
        """What has happened so far."""
        return self.asked("/__stats__")

    def brief(self) -> dict[str, Any]:
        """The stats without what grows with the lines: to look often."""
        return self.asked("/__stats__?brief")

    def eventually(
        self, holds: Callable[[dict[str, Any]], object], *, seconds: float = _PATIENCE
    ) -> dict[str, Any]:
        """The stats, once they are as told.

        Raises:
            TimeoutError: they never were.
        """
        deadline = time.monotonic() + seconds
        while not holds(stats := self.stats()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The fake never came to that: {stats}")
            time.sleep(0.01)
        return stats

    def asked(self, path: str, body: Any = None) -> dict[str, Any]:
        """The JSON that the fake answers; with a body it is a POST."""
        request = urllib.request.Request(
            self.origin + path, data=None if body is None else json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            return cast("dict[str, Any]", json.load(response))


class Dials:
    """The behaviour of a running fake; each attribute is read and written over the socket."""

    def __init__(self, fake: Remote) -> None:
        object.__setattr__(self, "_fake", fake)

    def __getattr__(self, name: str) -> Any:
        dials = cast("Remote", object.__getattribute__(self, "_fake")).control()
        if name not in dials:
            raise AttributeError(name)
        return dials[name]

    def __setattr__(self, name: str, value: Any) -> None:
        cast("Remote", object.__getattribute__(self, "_fake")).control(**{name: value})
