"""A vendor's batch API without its sockets: requests that were read become answers.

Owns the rules of each operation and their words. Not the wire (`server`), the JSON (`dialects`) or
what becomes of a job (`jobs`). Texts: openai-semantics.md, section 3.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec

from batchway.simulator.batches.answers import Answer, Refused
from batchway.simulator.batches.behaviour import Behaviour, changed, parse
from batchway.simulator.batches.clock import Clock
from batchway.simulator.batches.dialects import Dialect
from batchway.simulator.batches.imitators import DIALECTS
from batchway.simulator.batches.jobs import Jobs, token_limit
from batchway.simulator.batches.results import endpoint_of
from batchway.simulator.batches.state import Job, StoredFile
from batchway.simulator.batches.store import Store
from batchway.simulator.batches.validation import first_model
from batchway.simulator.batches.vendors import DAY, HOUR, Vendor
from batchway.simulator.online import shapes, validation
from batchway.simulator.online.answers import answer, model_of

Item = TypeVar("Item", Job, StoredFile)

_KIND: Final = {list: "an array", dict: "an object", int: "an integer", float: "a decimal"}


class Office:
    """One vendor account."""

    def __init__(self, *, vendor: Vendor, folder: Path, behaviour: Mapping[str, Any]) -> None:
        self.vendor = vendor
        self.behaviour: Behaviour = parse(behaviour)
        self.clock = Clock()
        self.store = Store(folder=folder, vendor=vendor, clock=self.clock)
        self.jobs = Jobs(
            store=self.store,
            clock=self.clock,
            dialect=lambda: self.dialect,
            behaviour=lambda: self.behaviour,
        )
        self.creates: list[dict[str, Any]] = []
        self.online: dict[str, int] = {}

    @property
    def dialect(self) -> Dialect:
        """How the vendor writes, counters or none."""
        return DIALECTS[self.vendor.name](
            vendor=self.vendor, counters_null=self.behaviour.counters_null
        )

    def change(self, dials: Mapping[str, Any]) -> None:
        """Turn some dials; `advance` sets the clock forward by seconds."""
        rest = {name: value for name, value in dials.items() if name != "advance"}
        self.behaviour = changed(self.behaviour, rest)
        self.clock.advance(float(dials.get("advance", 0.0)))

    # Files

    def upload(
        self, path: Path | None, fields: Mapping[str, str], *, filename: str, id: str | None = None
    ) -> Answer:
        """Take in an uploaded file."""
        purpose = fields.get("purpose", "")
        if path is None:
            raise Refused(400, "Missing required parameter: 'file'.", param="file")
        if purpose != self.vendor.purpose:
            message = f"'{purpose}' is not one of ['{self.vendor.purpose}'] - 'purpose'"
            if self.vendor.name == "azure":
                raise Refused(400, "Invalid value for purpose.", code="invalidPayload")
            raise Refused(400, message, param="purpose")
        if self.vendor.name == "openai" and not _jsonl(path, filename):
            raise Refused(400, "Invalid file format for Batch API. Must be .jsonl")
        keep = fields.get("expires_after[seconds]") or fields.get("expires_after.seconds")
        default = 30 * DAY if self.vendor.name == "openai" else None
        file = self.store.add(
            path,
            id=id or self.dialect.file_id(purpose),
            filename=filename,
            purpose=purpose,
            behaviour=self.behaviour,
            keep=int(keep) if keep else default,
        )
        if self.vendor.name in ("together", "novita"):
            with path.open("rb") as lines:
                file.lines = sum(1 for line in lines if line.strip())
        status = 201 if self.vendor.name == "azure" else 200
        return Answer(status=status, body=self.dialect.uploaded(self._looked(file)))

    def file(self, file_id: str) -> Answer:
        return Answer(body=self.dialect.file(self._looked(self._file(file_id))))

    def files(self, query: Mapping[str, str]) -> Answer:
        found = [
            file
            for file in self.store.files.values()
            if query.get("purpose") in (None, "", file.purpose)
        ]
        if query.get("order") != "asc":
            found.reverse()
        page, more = _paged(found, query, default=10_000, largest=10_000)
        return Answer(body=self.dialect.files(page, more=more))

    def content(self, file_id: str) -> Answer:
        return Answer(file=self._file(file_id))

    def delete(self, file_id: str) -> Answer:
        file = self._file(file_id)
        jobs = self.jobs.jobs.values()
        self.store.delete(
            file, needed=any(job.source == file.path for job in jobs if not job.ended)
        )
        return Answer(body=self.dialect.deleted(file_id))

    # Jobs

    def create(self, given: object) -> Answer:
        """Start a job."""
        if not isinstance(given, dict):
            raise Refused(400, "We could not parse the JSON body of your request.")
        fields = cast("dict[str, Any]", given)
        for name in ("input_file_id", "endpoint"):
            if not isinstance(fields.get(name), str):
                raise Refused(
                    400,
                    f"Missing required parameter: '{name}'.",
                    code="missing_required_parameter",
                    param=name,
                )
        endpoint, window = fields["endpoint"], fields.get("completion_window")
        self._endpoint(endpoint)
        seconds = self._window(window)
        metadata = _metadata(fields.get("metadata"))
        file = self._input(fields["input_file_id"])
        job = Job(
            id=self.dialect.job_id(),
            endpoint=endpoint,
            input_file_id=fields["input_file_id"],
            filename=file.filename if file else "",
            completion_window=window or "24h",
            window=seconds,
            metadata=metadata,
            created=self.clock.now(),
            number=len(self.jobs.jobs),
            source=file.path if file else None,
            model=first_model(file.path) if file and file.bytes else None,
            tokens=max(1, file.bytes // 4) if file else 0,
            bytes=file.bytes if file else 0,
            delete_input=self.vendor.name == "zhipu"
            and fields.get("auto_delete_input_file", True) is not False,
        )
        headers = self._room(job)
        self.jobs.start(job)
        self.creates.append(
            {
                "job_id": job.id,
                "input_file_id": job.input_file_id,
                "filename": job.filename,
                "metadata": metadata,
                "endpoint": endpoint,
            }
        )
        return Answer(
            status=self.dialect.created_status, body=self.dialect.created(job), headers=headers
        )

    def job(self, job_id: str) -> Answer:
        return Answer(body=self.dialect.job(self._shown(self._job(job_id))))

    def _shown(self, job: Job) -> Job:
        """A job as it is shown: with its results only a while after it has ended."""
        ended = job.times.get(job.status, 0) if job.ended else 0
        if not ended or self.clock.now() >= ended + self.behaviour.files_late:
            return job
        return replace(job, output_file_id=None, error_file_id=None)

    def list_jobs(self, query: Mapping[str, str]) -> Answer:
        horizon = self.clock.now() - self.behaviour.list_lag
        found = [
            self._shown(self.jobs.look(job))
            for job in reversed(self.jobs.jobs.values())
            if not self.behaviour.list_lag or job.created <= horizon
        ]
        if self.vendor.name == "together":
            return Answer(body=self.dialect.jobs(found, more=False))
        page, more = _paged(found, query, default=20, largest=100)
        return Answer(body=self.dialect.jobs(page, more=more))

    def cancel(self, job_id: str) -> Answer:
        job = self._job(job_id)
        if job.ended and job.status != "cancelled":
            raise Refused(409, f"Cannot cancel a batch with status '{job.status}'.")
        if not job.ended and not job.cancelling:
            self.jobs.cancel(job)
        return Answer(body=self.dialect.job(job))

    # One request, online: what a line that the batch left over is run with

    def ask(self, endpoint: str, body: object, *, deployment: str | None) -> Answer:
        """Answer one request at once."""
        known = endpoint_of(endpoint)
        refusal = validation.refuse(known, body, model_in_path=deployment is not None)
        if refusal is not None:
            raise Refused(refusal.status, refusal.message, code=refusal.code, param=refusal.param)
        fields = cast("dict[str, Any]", body)
        model = deployment or model_of(known, fields)
        found = answer(known, fields, model=model)
        self.online[found.digest] = self.online.get(found.digest, 0) + 1
        return Answer(
            body=shapes.render(
                known,
                found,
                body=fields,
                model=model,
                unique=uuid.uuid4().hex,
                created=int(self.clock.now()),
            )
        )

    def models(self) -> Answer:
        return Answer(body=shapes.models(self.behaviour.models or ["fake"]))

    # What they have in common

    def _looked(self, file: StoredFile) -> StoredFile:
        # The look that finds it ready comes after `pending` looks that did not.
        file.pending = max(0, file.pending - 1)
        return file

    def _file(self, file_id: str) -> StoredFile:
        file = self.store.files.get(file_id)
        if file is None:
            raise Refused(404, f"No such File object: {file_id}", param="id")
        return file

    def _job(self, job_id: str) -> Job:
        job = self.jobs.jobs.get(job_id)
        if job is None:
            if self.vendor.name == "openai" and not job_id.startswith("batch"):
                raise Refused(
                    400,
                    f"Invalid 'batch_id': '{job_id}'. Expected an ID that begins with 'batch'.",
                    code="invalid_value",
                    param="batch_id",
                )
            raise Refused(404, f"No batch found with id '{job_id}'.")
        return self.jobs.look(job)

    def _input(self, file_id: str) -> StoredFile | None:
        if self.vendor.name == "openai" and not file_id.startswith("file"):
            raise Refused(
                400,
                f"Invalid 'input_file_id': '{file_id}'. Expected an ID that begins with 'file'.",
                code="invalid_value",
                param="input_file_id",
            )
        file = self.store.files.get(file_id)
        if file is not None and self.clock.now() < file.created + self.behaviour.input_late:
            raise Refused(
                400,
                f"Cannot find file {file_id}, or organization org-fake does not have access to it.",
                code="invalid_request",
                param="input_file_id",
            )
        if file is None and self.dialect.late_file:
            return None
        file = self._file(file_id)
        if file.pending:
            raise Refused(
                400,
                f"The input file '{file_id}' is in 'pending' state. Only files with status "
                "'Processed' are accepted for batch inferencing. Please check the file status and "
                "try again",
                code="invalid_request",
            )
        return file

    def _endpoint(self, endpoint: str) -> None:
        if endpoint not in self.vendor.endpoints:
            *most, last = (f"'{name}'" for name in self.vendor.endpoints)
            known = f"{', '.join(most)}, and {last}" if most else last
            raise Refused(
                400,
                f"Invalid value: '{endpoint}'. Supported values are: {known}.",
                code="invalid_value",
                param="endpoint",
            )

    def _window(self, window: object) -> int:
        if self.vendor.windows is None or (window is None and self.vendor.name == "together"):
            return DAY
        shortest, longest = self.vendor.windows
        seconds = _seconds(window)
        if seconds is None or not shortest <= seconds <= longest:
            raise Refused(
                400,
                f"Invalid value: '{window}'. Supported values are: '{shortest // HOUR}h'"
                + (f" to '{longest // HOUR}h'." if longest > shortest else "."),
                code="invalid_value",
                param="completion_window",
            )
        return seconds

    def _room(self, job: Job) -> dict[str, str]:
        limit = self.behaviour.enqueued_tokens
        queued = self.jobs.enqueued(job.model) + job.tokens
        # Each says it in its own way unless told otherwise; at creation is Azure's newer one.
        if limit is not None and self.behaviour.token_limit == "create" and queued > limit:
            full = token_limit(self.dialect, limit, job.model)
            raise Refused(400, full["message"], code=full["code"])
        if self.vendor.name != "azure":
            return {}
        return {
            "deployment-enqueued-tokens": str(queued),
            "deployment-maximum-enqueued-tokens": str(limit or 5_000_000_000),
        }


def _jsonl(path: Path, filename: str) -> bool:
    """Whether OpenAI takes a file: its name, and that its first line is JSON."""
    with path.open("rb") as file:
        first = file.readline()
    try:
        return filename.endswith(".jsonl") and isinstance(msgspec.json.decode(first), dict)
    except msgspec.DecodeError:
        return False


def _seconds(window: object) -> int | None:
    if not isinstance(window, str) or not window[:-1].isdigit() or window[-1:] not in ("h", "d"):
        return None
    return int(window[:-1]) * (HOUR if window.endswith("h") else DAY)


def _metadata(given: object) -> dict[str, str] | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise Refused(
            400,
            "Invalid type for 'metadata': expected an object.",
            code="invalid_type",
            param="metadata",
        )
    metadata = cast("dict[str, Any]", given)
    for name, value in metadata.items():
        if not isinstance(value, str):
            kind = _KIND.get(type(value), "something else")
            raise Refused(
                400,
                f"Invalid type for 'metadata.{name}': expected a string, but got {kind} instead.",
                code="invalid_type",
                param=f"metadata.{name}",
            )
        if len(name) > 64 or len(value) > 512:
            raise Refused(400, f"'metadata.{name}' is too long.", param=f"metadata.{name}")
    return metadata


def _paged(
    found: list[Item], query: Mapping[str, str], *, default: int, largest: int
) -> tuple[list[Item], bool]:
    after, limit = query.get("after"), query.get("limit") or str(default)
    if not limit.isdigit() or not 1 <= int(limit) <= largest:
        raise Refused(400, f"Invalid value for 'limit': {limit}.", param="limit")
    if after:
        ids = [item.id for item in found]
        if after not in ids:
            raise Refused(404, f"No object found with id '{after}'.", param="after")
        found = found[ids.index(after) + 1 :]
    return found[: int(limit)], len(found) > int(limit)
