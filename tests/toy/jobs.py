"""The toy's ovens: dough on a shelf, and loaves that are baked of it.

PUT    /shelf/TAG     dough              --> {"spot": "s7", "label": TAG, "weight": 123}
GET    /shelf                            --> {"spots": [...]}
POST   /oven          {"spot", "label"}  --> a loaf
GET    /oven, /oven/12                   --> {"loaves": [...]}, a loaf
POST   /oven/12/out   {}                 --> a loaf
GET    /tray/t8                          --> rows
DELETE /shelf/s7, /tray/t8

a loaf: {"loaf": 12, "label": TAG, "spot": "s7", "to": MODEL, "state": "baking", "at": 17,
         "lit": 18, "tally": [60, 50, 3], "trays": ["t8"], "why": [["word", "tell", ROW]]}
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final, TypeVar

import msgspec
from tests.toy.dialect import ToyDialect, error_of
from tests.toy.framing import ToyFraming

from batchway.domain.batch import BatchError, RequestCounts
from batchway.domain.call import Call
from batchway.domain.remote import (
    Cause,
    Failed,
    JobInput,
    JobOrder,
    NativeTraits,
    Reading,
    RemoteError,
    RemoteJob,
    Trouble,
)
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.providers.http import trouble
from batchway.providers.http.addresses import segment
from batchway.providers.http.session import RemoteHttp

STATES: Final[Mapping[str, BatchStatus]] = {
    "dough": BatchStatus.VALIDATING,
    "baking": BatchStatus.IN_PROGRESS,
    "cooling": BatchStatus.FINALIZING,
    "bread": BatchStatus.COMPLETED,
    "burnt": BatchStatus.FAILED,
    "cold": BatchStatus.EXPIRED,
    "taking-out": BatchStatus.CANCELLING,
    "out": BatchStatus.CANCELLED,
}
_TROUBLES: Final[Mapping[str, Trouble]] = {
    "full": Trouble.NO_ROOM,
    "rising": Trouble.NOT_YET,
    "slow": Trouble.BUSY,
}


T = TypeVar("T")


class _Spot(msgspec.Struct):
    spot: str
    label: str
    weight: int


class _Spots(msgspec.Struct):
    spots: list[_Spot]


class _Loaf(msgspec.Struct):
    loaf: int
    label: str
    state: str
    spot: str
    to: str
    at: int
    lit: int | None = None
    tally: tuple[int, int, int] | None = None
    trays: tuple[str, ...] = ()
    why: list[tuple[str, str, int | None]] = []


class _Loaves(msgspec.Struct):
    loaves: list[_Loaf]


class ToyJobs:
    """`ports.Jobs` of the toy."""

    def __init__(
        self,
        *,
        provider: str,
        http: RemoteHttp,
        seal: Callable[[bytes], Mapping[str, str]],
        base: str,
        call: Call,
        traits: NativeTraits,
    ) -> None:
        self.traits = traits
        self.framing = ToyFraming()
        self.dialect = ToyDialect(endpoint=call.endpoint, model=call.model)
        self._provider = provider
        self._http = http
        self._seal = seal
        self._base = base
        self._model = call.model

    async def bring(self, order: JobInput) -> str:
        """See `ports.Jobs`."""
        try:
            if order.since is not None:
                for there in await self._spots(order.tag):
                    if there.weight == order.size:
                        return there.spot
            dough = await asyncio.to_thread(order.path.read_bytes)
            return (await self._ask("POST", f"/shelf/{order.tag}", _Spot, dough)).spot
        except RemoteError as error:
            if error.trouble is not Trouble.UNCERTAIN:
                raise
            raise error.as_(Trouble.UNREACHABLE) from error  # dough on a shelf is no loaf

    async def create(self, order: JobOrder, reference: str) -> RemoteJob:
        """See `ports.Jobs`."""
        asked = msgspec.json.encode({"spot": reference, "label": order.tag})
        return _job(await self._ask("POST", "/oven", _Loaf, asked))

    async def find(self, tag: str, *, since: int, reference: str | None = None) -> RemoteJob | None:
        """See `ports.Jobs`."""
        del since, reference  # all loaves are listed, and each has its label
        found = [loaf for loaf in await self._loaves() if loaf.label == tag]
        return _job(found[0]) if found else None

    async def fetch(self, job_id: str) -> RemoteJob:
        """See `ports.Jobs`."""
        return _job(await self._ask("GET", self._path("oven", job_id), _Loaf))

    async def results(self, job: RemoteJob, reading: Reading) -> AsyncGenerator[bytes]:
        """See `ports.Jobs`."""
        for place, tray in enumerate(job.references):
            mark = reading.mark(tray)
            if mark.finished:
                continue
            if place:
                yield b"\n"
            rows = self._http.download(self._base + self._path("tray", tray), mark)
            async with aclosing(rows) as pieces:
                async for piece in pieces:
                    yield piece

    async def unfinished(self) -> int:
        """See `ports.Jobs`."""
        loaves = await self._loaves()
        return sum(STATES[each.state] not in TERMINAL for each in loaves if each.to == self._model)

    async def cancel(self, job_id: str) -> RemoteJob:
        """See `ports.Jobs`."""
        return _job(await self._ask("POST", self._path("oven", job_id) + "/out", _Loaf, b"{}"))

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        """See `ports.Jobs`."""
        spots = [job.reference] if job.reference else [s.spot for s in await self._spots(tag)]
        paths = [self._path("shelf", spot) for spot in spots]
        failure: RemoteError | None = None
        for path in [*paths, *(self._path("tray", tray) for tray in job.references)]:
            try:
                await self._http.call("DELETE", self._base + path)
            except RemoteError as error:
                failure = failure if error.trouble is Trouble.NOT_FOUND else error
        if failure is not None:
            raise failure

    async def _spots(self, tag: str) -> list[_Spot]:
        shelf = await self._ask("GET", "/shelf", _Spots)
        return [spot for spot in shelf.spots if spot.label == tag]

    async def _loaves(self) -> list[_Loaf]:
        return (await self._ask("GET", "/oven", _Loaves)).loaves

    def _path(self, place: str, id: str) -> str:
        try:
            return f"/{place}/{segment(id)}"
        except ValueError as error:
            text = f"The provider '{self._provider}' has nothing of that id."
            raise RemoteError(Trouble.NOT_FOUND, text) from error

    async def _ask(self, method: str, path: str, kind: type[T], body: bytes | None = None) -> T:
        sealed = self._seal(body or b"")
        answer = await self._http.call(method, self._base + path, body=body, headers=sealed)
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.MsgspecError as error:
            raise trouble.uncertain(self._provider, "answered with something else") from error


def read_error(body: bytes, _header: trouble.Header) -> trouble.Said:
    """What a refusal says; see `providers.http.trouble.ReadError`."""
    word, tell = error_of(body)
    return trouble.Said(message=tell, code=word or None, trouble=_TROUBLES.get(word))


def _job(loaf: _Loaf) -> RemoteJob:
    status = STATES[loaf.state]
    errors = tuple(BatchError(code=word, message=tell, line=row) for word, tell, row in loaf.why)
    counts: RequestCounts | None = None
    if loaf.tally is not None:
        total, good, bad = loaf.tally
        counts = RequestCounts(total=total, completed=good, failed=bad)
    failure = Failed(
        cause=Cause.NO_ROOM if errors and errors[0].code == "full" else Cause.REFUSED,
        error=errors[0] if errors else None,
    )
    return RemoteJob(
        id=str(loaf.loaf),
        status=status,
        reference=loaf.spot,
        references=loaf.trays,
        created_at=loaf.at,
        in_progress_at=loaf.lit,
        counts=counts,
        errors=errors or None,
        failure=failure if status is BatchStatus.FAILED else None,
    )
