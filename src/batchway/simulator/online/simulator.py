"""The simulated model server itself: from a parsed request to what is written back.

Owns the order in which a real server would object (path, method, key, body, model, limits), the
carrying out of fates, and the control paths under `/_simulator/`. Parsing is `protocol`'s, the
choices are `behaviour`'s, the content is `answers`'.
"""

import asyncio
import hmac
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, assert_never

import msgspec

from batchway.simulator.online import errors, shapes
from batchway.simulator.online.answers import Answer, answer, model_of
from batchway.simulator.online.behaviour import Behaviour, Plan
from batchway.simulator.online.endpoints import (
    Call,
    Control,
    Health,
    Metrics,
    Models,
    Nowhere,
    read_path,
)
from batchway.simulator.online.errors import Refusal
from batchway.simulator.online.fates import Answered, Broken, Fault, Refused
from batchway.simulator.online.limits import Headers, Limits, retry_headers
from batchway.simulator.online.protocol import Connection, Request, Response, Work
from batchway.simulator.online.settings import InvalidSettings, SimulatorSettings
from batchway.simulator.online.slots import Slots
from batchway.simulator.online.stats import Stats
from batchway.simulator.online.validation import refuse
from batchway.simulator.online.working import Working

_GARBAGE: Final = b'{"id":"chatcmpl-\xff\xfe, "choices":[{"message":{"content":'
_HTML: Final = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>"
)
_LIMIT_DIALS: Final = ("requests_per_minute", "tokens_per_minute", "limit_window")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A request that was let in, with its answer and what is to become of it."""

    call: Call
    body: dict[str, Any]
    model: str
    answer: Answer
    plan: Plan
    started: float


class Simulator:
    """Answers requests; an `Application` for `Connection`.

    `clock` is monotonic and `now` is Unix time, both in seconds; `dice` makes ids, and the choices
    of a simulator without a seed.
    """

    def __init__(
        self,
        *,
        settings: SimulatorSettings,
        clock: Callable[[], float],
        now: Callable[[], float],
        dice: random.Random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._now = now
        self._dice = dice
        self._stats = Stats(record=settings.record)
        self._slots = Slots(settings.capacity)
        self._working = self._new_working()
        self._attempts: Counter[str] = Counter()
        self._limits = self._new_limits()
        self._behaviour = self._new_behaviour()

    def __call__(self, request: Request, connection: Connection) -> Work | None:
        """Answer at once, or return the work that will."""
        route = read_path(request.path, request.query)
        match route:
            case Call():
                return self._call(request, connection, route)
            case Control():
                connection.send(self._control(request, route))
            case Health():
                connection.send(Response(status=200, body=b'{"status":"ok"}'))
            case Metrics():
                connection.send(self._metrics(request))
            case Models():
                connection.send(self._models(request, route))
            case Nowhere(azure=True):
                connection.send(Response(status=404, body=errors.AZURE_NOT_FOUND))
            case Nowhere():
                connection.send(_error(errors.no_such_url(request.method, request.path)))
            case _:
                assert_never(route)
        return None

    def _call(self, request: Request, connection: Connection, call: Call) -> Work | None:
        self._stats.arrived()
        job = self._job(request, call)
        if isinstance(job, Response):
            self._stats.sent(job.status)
            connection.send(job)
            return None
        self._stats.started()
        if self._immediate(job.plan):
            self._deliver(job, connection)
            self._stats.finished()
            return None
        return Work(
            steps=self._perform(job, connection),
            finish=lambda abandoned: self._stats.finished(abandoned=abandoned),
        )

    def _job(self, request: Request, call: Call) -> _Job | Response:
        started = self._clock()
        if request.method != "POST":
            return self._refused(errors.wrong_method(request.method, request.path))
        if refusal := self._key_refusal(request):
            return self._refused(refusal)
        try:
            body: Any = msgspec.json.decode(request.body)
        except (msgspec.DecodeError, RecursionError):
            return self._refused(errors.NOT_JSON)
        deployment = call.deployment
        if refusal := refuse(call.endpoint, body, model_in_path=deployment is not None):
            return self._refused(refusal)
        # Azure goes by the deployment in the path, whatever the body says.
        model = deployment or model_of(call.endpoint, body)
        if self._settings.models and model not in self._settings.models:
            return self._refused(errors.no_such_model(model))
        right = answer(call.endpoint, body, model=model)
        ceiling = self._settings.max_concurrency
        if ceiling is not None and self._stats.in_flight >= ceiling:
            return self._refused(errors.by_chance(429, prompt_tokens=0), *self._retry(429))
        exceeded = self._limits.admit(right.prompt_tokens + right.output_tokens)
        if exceeded is not None:
            retry = () if exceeded.wait is None else retry_headers(exceeded.wait)
            return self._refused(exceeded.refusal(model), *retry)
        plan = self._behaviour.plan(right)
        return _Job(call=call, body=body, model=model, answer=right, plan=plan, started=started)

    def _immediate(self, plan: Plan) -> bool:
        match plan.fate:
            case Answered():
                free = self._settings.capacity is None and self._working is None
                return plan.seconds == 0 and free
            case Refused(status=status):
                # A server turns a bad request away at the door, but fails at work or times out.
                return status < 500 and status != 408
            case Broken():
                return False
            case _:
                assert_never(plan.fate)

    async def _perform(self, job: _Job, connection: Connection) -> None:
        plan = job.plan
        if plan.early and plan.fate == Broken(fault=Fault.RESET):
            self._stats.faulted(Fault.RESET)
            connection.reset()
            return
        async with self._slots:
            if self._working is not None:
                await self._working.work(job.answer.output_tokens)
            elif plan.seconds > 0:
                await asyncio.sleep(plan.seconds)
            if plan.fate == Broken(fault=Fault.HANG):
                self._stats.faulted(Fault.HANG)
                # Until the client leaves, which cancels this.
                await asyncio.get_running_loop().create_future()
        if plan.fate == Broken(fault=Fault.SLOW):
            self._stats.faulted(Fault.SLOW)
            response = self._right(job)
            self._stats.sent(response.status)
            await connection.send_slowly(
                response,
                piece=self._settings.slow_body_piece,
                delay=self._settings.slow_body_delay,
            )
            self._stats.answered(job.answer)
        else:
            self._deliver(job, connection)

    def _deliver(self, job: _Job, connection: Connection) -> None:
        match job.plan.fate:
            case Answered():
                response = self._right(job)
                self._stats.answered(job.answer)
            case Refused(status=status):
                refusal = errors.by_chance(status, prompt_tokens=job.answer.prompt_tokens)
                response = self._refused(refusal, *self._retry(status))
            case Broken(fault=fault):
                self._stats.faulted(fault)
                self._break(job, connection, fault)
                return
            case _:
                assert_never(job.plan.fate)
        self._stats.sent(response.status)
        connection.send(response)

    def _break(self, job: _Job, connection: Connection, fault: Fault) -> None:
        match fault:
            case Fault.RESET:
                connection.reset()
            case Fault.TRUNCATE:
                response = self._right(job)
                self._stats.sent(response.status)
                connection.send_truncated(response)
            case Fault.GARBAGE:
                self._stats.sent(200)
                connection.send(Response(status=200, body=_GARBAGE, headers=self._headers()))
            case Fault.HTML:
                self._stats.sent(502)
                connection.send(Response(status=502, body=_HTML, content_type="text/html"))
            case Fault.HANG | Fault.SLOW:
                raise AssertionError(f"{fault} takes time and is not delivered at once")
            case _:
                assert_never(fault)

    def _right(self, job: _Job) -> Response:
        body = shapes.render(
            job.call.endpoint,
            job.answer,
            body=job.body,
            model=job.model,
            unique=self._unique(),
            created=int(self._now()),
        )
        spent = ("openai-processing-ms", str(round((self._clock() - job.started) * 1000)))
        return Response(
            status=200, body=msgspec.json.encode(body), headers=(*self._headers(), spent)
        )

    def _metrics(self, request: Request) -> Response:
        if self._working is None:
            return _error(errors.no_such_url(request.method, request.path))
        body = self._working.metrics()
        return Response(status=200, body=body, content_type="text/plain; version=0.0.4")

    def _models(self, request: Request, route: Models) -> Response:
        if request.method != "GET":
            return self._refused(errors.wrong_method(request.method, request.path))
        if refusal := self._key_refusal(request):
            return self._refused(refusal)
        names = self._settings.models
        if route.model is None:
            return _json(shapes.models(names or ("simulated",)))
        if names and route.model not in names:
            return self._refused(errors.no_such_model(route.model))
        return _json(shapes.model(route.model))

    def _control(self, request: Request, route: Control) -> Response:
        match request.method, route.name:
            case "GET", "stats":
                report = self._stats.report()
                report["working"] = self._slots.held
                report["queued"] = self._slots.waiting
                return _json(report)
            case "POST", "reset":
                self._stats.reset()
                self._attempts.clear()
                self._limits = self._new_limits()
                return _json(self._stats.report())
            case "GET", "settings":
                return _json(self._settings.model_dump(mode="json", exclude={"api_key"}))
            case "POST", "settings":
                try:
                    self._change(self._settings.patched(msgspec.json.decode(request.body)))
                except msgspec.DecodeError:
                    return _error(errors.NOT_JSON)
                except InvalidSettings as invalid:
                    return _error(Refusal(status=400, message=str(invalid)))
                return _json(self._settings.model_dump(mode="json", exclude={"api_key"}))
            case method, _:
                return _error(errors.no_such_url(method, request.path))

    def _change(self, settings: SimulatorSettings) -> None:
        before, self._settings = self._settings, settings
        self._stats.record = settings.record
        self._slots.resize(settings.capacity)
        self._behaviour = self._new_behaviour()
        if before.engine != settings.engine:
            self._working = self._new_working()
        # Turning another dial must not refill what clients have spent.
        if any(getattr(before, dial) != getattr(settings, dial) for dial in _LIMIT_DIALS):
            self._limits = self._new_limits()

    def _new_working(self) -> Working | None:
        name = self._settings.engine
        return None if name is None else Working(name, seed=self._settings.seed or 0)

    def _new_behaviour(self) -> Behaviour:
        return Behaviour(self._settings, dice=self._dice, attempts=self._attempts)

    def _new_limits(self) -> Limits:
        return Limits(
            requests_per_minute=self._settings.requests_per_minute,
            tokens_per_minute=self._settings.tokens_per_minute,
            window=self._settings.limit_window,
            clock=self._clock,
        )

    def _key_refusal(self, request: Request) -> Refusal | None:
        if self._settings.api_key is None:
            return None
        given = request.headers.get(b"api-key")
        scheme, _, token = request.headers.get(b"authorization", b"").partition(b" ")
        if given is None and scheme.lower() == b"bearer":
            given = token.strip()
        if not given:
            return errors.KEY_MISSING
        if hmac.compare_digest(given, self._settings.api_key.encode()):
            return None
        return errors.KEY_WRONG

    def _retry(self, status: int) -> Headers:
        seconds = self._settings.retry_after
        return retry_headers(seconds) if seconds and status in (429, 503) else ()

    def _refused(self, refusal: Refusal, *further: tuple[str, str]) -> Response:
        return Response(
            status=refusal.status, body=refusal.body(), headers=(*self._headers(), *further)
        )

    def _headers(self) -> Headers:
        return (("x-request-id", f"req_{self._unique()}"), *self._limits.headers())

    def _unique(self) -> str:
        return f"{self._dice.getrandbits(128):032x}"


def _json(value: object) -> Response:
    return Response(status=200, body=msgspec.json.encode(value))


def _error(refusal: Refusal) -> Response:
    return Response(status=refusal.status, body=refusal.body())
