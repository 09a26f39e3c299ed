"""The HTTP shell of a fake: its dials and stats, what it counts, and troubles with connections.

Owns `/__control__`, `/__stats__`, the counters of requests, and the rules that concern every kind
of request. Which request is of which kind, and what is answered, is the fake's own.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec
from aiohttp import web

from batchway.simulator.batches.trouble import Trouble, Troubles


class Cut(Exception):
    """The connection is to be closed without an answer, or in the middle of one."""


class Routed(Protocol):
    """What a request asks for."""

    @property
    def kind(self) -> str: ...


class Striking(Trouble, Protocol):
    """What a rule does to a request."""

    @property
    def do(self) -> str: ...
    @property
    def seconds(self) -> float: ...


class Dialled(Protocol):
    """What is behind the shell: an account with dials."""

    @property
    def behaviour(self) -> msgspec.Struct: ...
    @property
    def rules(self) -> Sequence[Any]: ...
    @property
    def lose_create_answer(self) -> int: ...
    def change(self, dials: Mapping[str, Any]) -> None: ...
    def stats(self, *, brief: bool) -> dict[str, Any]: ...


RouteT = TypeVar("RouteT", bound=Routed)
RuleT = TypeVar("RuleT", bound=Striking)


class Front(ABC, Generic[RouteT, RuleT]):
    """Answers requests for one account; `down` takes the sockets away for some seconds."""

    def __init__(self, *, account: Dialled, down: Callable[[float], None]) -> None:
        self._dialled = account
        self._down = down
        self._troubles: Troubles[RuleT] = Troubles()
        self._troubles.set(account.rules)
        self._lost = 0
        self._requests: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._headers: dict[str, Counter[str]] = {}

    @abstractmethod
    def route(self, request: web.BaseRequest) -> RouteT:
        """What a request asks for."""

    @abstractmethod
    async def own(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The answer at a path that the vendor does not have, `None` where it is the vendor's."""

    @abstractmethod
    async def served(
        self, request: web.BaseRequest, route: RouteT, rule: RuleT | None
    ) -> web.StreamResponse:
        """The vendor's answer, refusals included. Raises `Cut`."""

    @abstractmethod
    def told(self, rule: RuleT, route: RouteT) -> web.StreamResponse:
        """The refusal that a rule asks for."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        match request.path:
            case "/__control__":
                return await self._control(request)
            case "/__stats__":
                return web.json_response(self.stats(brief="brief" in request.query))
            case _:
                answer = await self.own(request)
        return answer or await self.met(request, self.route(request))

    async def met(self, request: web.BaseRequest, route: RouteT) -> web.StreamResponse:
        """Answer one request to the vendor."""
        self._note(request, route)
        rule = self._troubles.strike(route.kind)
        try:
            response = await self._answer(request, route, rule)
        except (Cut, ConnectionResetError):  # ours, or the client has died
            self._answers[f"{route.kind} cut"] += 1
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        self._answers[f"{route.kind} {response.status}"] += 1
        return response

    def stats(self, *, brief: bool = False) -> dict[str, Any]:
        """What has happened so far; `brief` leaves out what grows with the lines. Never a token."""
        return {
            **self._dialled.stats(brief=brief),
            "requests": dict(self._requests),
            "answers": dict(self._answers),
            "headers": {name: dict(seen) for name, seen in self._headers.items()},
        }

    async def _control(self, request: web.BaseRequest) -> web.Response:
        if request.method == "POST":
            try:
                dials = cast("dict[str, Any]", json.loads(await request.text()))
                seconds = dials.pop("down", None)
                before = list(self._dialled.rules)
                self._dialled.change(dials)
            except (ValueError, TypeError, msgspec.ValidationError) as error:
                return web.json_response({"error": str(error)}, status=400)
            # Rules that are given again start anew, even where they are the same.
            if "rules" in dials or before != list(self._dialled.rules):
                self._troubles.set(self._dialled.rules)
            if "lose_create_answer" in dials:
                self._lost = 0
            if seconds is not None:
                self._down(float(seconds))
        return web.json_response(msgspec.to_builtins(self._dialled.behaviour))

    def _note(self, request: web.BaseRequest, route: RouteT) -> None:
        self._requests[route.kind] += 1
        for name, given in request.headers.items():
            lower, value = name.lower(), given
            if lower == "authorization":
                value = given.partition(" ")[0]
            elif "token" in lower:
                value = "..."
            seen = self._headers.setdefault(lower, Counter())
            if len(seen) < 50 or value in seen:
                seen[value] += 1

    async def _answer(
        self, request: web.BaseRequest, route: RouteT, rule: RuleT | None
    ) -> web.StreamResponse:
        if rule is not None and rule.do == "refuse":
            await drained(request)
            return self.told(rule, route)
        response = await self.served(request, route, rule)
        if rule is not None and response.status < 400:
            if rule.do == "lose":
                raise Cut
            if rule.do == "disown":
                await drained(request)
                return self.told(rule, route)
            if rule.do == "stall":
                await asyncio.sleep(rule.seconds)
        lost = route.kind == "create" and response.status < 400
        if lost and self._lost < self._dialled.lose_create_answer:
            self._lost += 1
            raise Cut
        return response


async def drained(request: web.BaseRequest) -> None:
    """Read what is left of a request: an answer before its end would look like a broken pipe."""
    async for _ in request.content.iter_any():
        pass
