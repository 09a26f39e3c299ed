"""The toy's server: everything that it is asked, answered in the toy's words, on a socket.

    python -m tests.toy.server --behaviour '{"rows": {"shuffle": true}}' --least 10

prints its address. The dials and the troubles are those of the other fakes
(`batchway.simulator.batches`), and so are the texts that it answers: whose answer a line got can be
told by the same means. Owns the wire; what becomes of a loaf is `bakery`'s.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiohttp import web
from tests.toy.bakery import Bakery, Oops

from batchway.simulator.batches.behaviour import Rule
from batchway.simulator.batches.downloading import sent
from batchway.simulator.batches.front import Cut
from batchway.simulator.batches.trouble import Troubles

KEY: Final = "flour-and-water"
# What the other fakes call a request, by method and first parts of its path.
_KINDS: Final = {
    ("POST", "shelf", True): "upload",
    ("GET", "shelf", False): "files",
    ("DELETE", "shelf", True): "delete",
    ("DELETE", "tray", True): "delete",
    ("GET", "tray", True): "content",
    ("GET", "fetched", True): "fetched",
    ("POST", "oven", False): "create",
    ("GET", "oven", False): "jobs",
    ("GET", "oven", True): "job",
    ("POST", "oven", True): "cancel",
    ("POST", "ask", False): "online",
    ("GET", "awake", False): "awake",
}
_WORDS: Final = {400: "no", 401: "stranger", 402: "broke", 404: "nowhere", 429: "slow", 500: "ill"}


class ToyServer:
    """Answers requests. `least` is the lines that a loaf needs at least."""

    def __init__(self, *, behaviour: Mapping[str, Any], least: int = 0) -> None:
        self._bakery = Bakery(behaviour=behaviour, least=least)
        self._troubles = Troubles()
        self._troubles.set(self._bakery.behaviour.rules)
        self._requests: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._forged = 0
        self._tickets = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.path == "/__control__":
            return await self._control(request)
        if request.path == "/__stats__":
            return web.json_response(self._stats(brief="brief" in request.query))
        place, _, name = request.path.strip("/").partition("/")
        kind = _KINDS.get((request.method, place, bool(name)), "nowhere")
        self._requests[kind] += 1
        try:
            response = await self._answer(request, kind, name, self._troubles.strike(kind))
        except (Cut, ConnectionResetError):  # ours, or the client has died
            self._answers[f"{kind} cut"] += 1
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        self._answers[f"{kind} {response.status}"] += 1
        return response

    async def _answer(
        self, request: web.BaseRequest, kind: str, id: str, rule: Rule | None
    ) -> web.StreamResponse:
        body = await _read(request, rule.bytes if rule is not None and rule.do == "cut" else None)
        if rule is not None and rule.do == "refuse":
            return _refused(rule)
        try:
            if kind not in {"nowhere", "fetched"}:
                self._check_seal(request, body)
            if kind in {"content", "fetched"}:
                return await self._poured(request, id, rule)
            answer = self._served(kind, id, body)
        except Oops as oops:
            said = {"oops": oops.word, "tell": oops.tell}
            return web.json_response(said, status=oops.status)
        if rule is not None and rule.do == "lose":
            raise Cut
        if rule is not None and rule.do == "disown":
            return _refused(rule)
        if rule is not None and rule.do == "stall":
            await asyncio.sleep(rule.seconds)
        self._tickets += 1
        return web.json_response(answer, headers={"Toy-Ticket": f"ticket-{self._tickets}"})

    async def _poured(
        self, request: web.BaseRequest, id: str, rule: Rule | None
    ) -> web.StreamResponse:
        tray = self._bakery.tray(id)
        if rule is not None and rule.do == "redirect":
            place = str(request.url.with_path(f"/fetched/{tray.id}"))
            return web.Response(status=302, headers={"Location": place})
        if rule is not None and rule.do == "stall":
            await asyncio.sleep(rule.seconds)
        # Never a part of it: reading begins again.
        return await sent(request, tray, rule, ranges="whole")

    def _served(self, kind: str, id: str, body: bytes) -> Any:
        bakery = self._bakery
        match kind:
            case "upload":
                return bakery.put(id, body)
            case "files":
                return {"spots": bakery.spots()}
            case "delete":
                return bakery.remove(id)
            case "create":
                return bakery.bake(**json.loads(body))
            case "jobs":
                return {"loaves": bakery.loaves()}
            case "job":
                return bakery.loaf(id)
            case "cancel":
                return bakery.take_out(id.removesuffix("/out"))
            case "online":
                return bakery.ask(json.loads(body))
            case "awake":
                return {}
            case _:
                raise Oops("nowhere", "There is no such place.", 404)

    def _check_seal(self, request: web.BaseRequest, body: bytes) -> None:
        keys = self._bakery.behaviour.keys
        given = request.headers.get("toy-seal", "")
        for key in [KEY] if keys is None else keys:
            right = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
            if hmac.compare_digest(given, right) and not self._bakery.behaviour.revoked:
                return
        self._forged += 1
        raise Oops("stranger", "The seal is invalid.", 401)

    async def _control(self, request: web.BaseRequest) -> web.Response:
        if request.method == "POST":
            dials: dict[str, Any] = json.loads(await _read(request, None))
            self._bakery.change(dials)
            if "rules" in dials:
                self._troubles.set(self._bakery.behaviour.rules)
        return web.json_response(msgspec.to_builtins(self._bakery.behaviour))

    def _stats(self, *, brief: bool) -> dict[str, Any]:
        return {
            **self._bakery.stats(brief=brief),
            "requests": dict(self._requests),
            "answers": dict(self._answers),
            "forged": self._forged,
        }


async def _read(request: web.BaseRequest, most: int | None) -> bytes:
    body = b""
    async for piece in request.content.iter_any():
        body += piece
        if most is not None and len(body) >= most:
            raise Cut
    return body


def _refused(rule: Rule) -> web.Response:
    word = rule.code or _WORDS.get(rule.status, "busy")
    later = rule.retry_after
    headers = {} if later is None else {"Toy-Later": later, "Retry-After": later}
    said = {"oops": word, "tell": rule.message or "The toy was told to say so."}
    return web.json_response(said, status=rule.status, headers=headers)


@asynccontextmanager
async def serving(
    *, behaviour: Mapping[str, Any], least: int, port: int = 0
) -> AsyncGenerator[str]:
    """Serve on this event loop; yields the address."""
    server = web.Server(ToyServer(behaviour=behaviour, least=least).handle, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        name: tuple[str, int] = runner.addresses[0]
        yield f"http://127.0.0.1:{name[1]}"
    finally:
        await runner.cleanup()


async def _serve(behaviour: Mapping[str, Any], least: int, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(behaviour=behaviour, least=least, port=port) as address:
        print(address, flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.toy.server", description=__doc__)
    parser.add_argument("--behaviour", type=json.loads, default={}, help="JSON")
    parser.add_argument("--least", type=int, default=0, help="lines of a loaf")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    given = parser.parse_args()
    asyncio.run(_serve(given.behaviour, given.least, given.port))


if __name__ == "__main__":
    main()
