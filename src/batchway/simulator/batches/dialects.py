"""How each vendor writes its jobs, files, lists, rows and errors.

Owns the JSON. `Dialect` is OpenAI's; the others override what they write differently. The facts and
their grades stand at the rows of `vendors`; a [?] here marks words that nobody has published.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from batchway.simulator.batches.state import Job, StoredFile
from batchway.simulator.batches.vendors import Vendor

Json = dict[str, Any]

_TIMES: Final = (
    "in_progress",
    "expires",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
)
_UNRUN: Final = {
    "batch_expired": "This request could not be executed before the completion window expired.",
    "batch_cancelled": "This request could not be executed because the batch was cancelled.",
    "batch_failed": "This request could not be executed because the batch failed.",
}


def iso(seconds: int | None) -> str | None:
    """A time as some vendors write it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Dialect:
    """OpenAI's way, and that of whoever copied it to the letter."""

    created_status = 200
    # What says that a file is not there: OpenAI's validator does, the others refuse the request.
    late_file = False

    def __init__(self, *, vendor: Vendor, counters_null: bool = False) -> None:
        self.vendor = vendor
        self.counters_null = counters_null

    def job_id(self) -> str:
        return f"batch_{uuid.uuid4().hex}"

    def file_id(self, purpose: str) -> str:
        return f"file-{uuid.uuid4().hex[:22]}"

    def status(self, job: Job) -> str:
        return (self.vendor.statuses or {}).get(job.status, job.status)

    def counts(self, job: Job) -> Json | None:
        if self.counters_null:
            return None
        return {"total": job.lines, "completed": job.completed, "failed": job.failed}

    def errors(self, job: Job) -> Any:
        return None if job.errors is None else {"object": "list", "data": job.errors}

    def job(self, job: Job) -> Json:
        """A job as it is answered to a GET."""
        times = {**job.times, "expires": job.expires_at}
        return {
            "id": job.id,
            "object": "batch",
            "endpoint": job.endpoint,
            "model": None if job.status == "validating" else job.model,
            "errors": self.errors(job),
            "input_file_id": job.input_file_id,
            "completion_window": job.completion_window,
            "status": self.status(job),
            "output_file_id": job.output_file_id,
            "error_file_id": job.error_file_id,
            "created_at": job.created_at,
            **{f"{name}_at": times.get(name) for name in _TIMES},
            "request_counts": self.counts(job),
            "usage": {
                "input_tokens": job.input_tokens,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": job.output_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": job.input_tokens + job.output_tokens,
            },
            "metadata": job.metadata if self.vendor.metadata else None,
        }

    def created(self, job: Job) -> Any:
        """A job as the answer to its creation."""
        return self.job(job)

    def jobs(self, jobs: Sequence[Job], *, more: bool) -> Any:
        """One page of jobs."""
        return _page([self.job(job) for job in jobs], more=more)

    def file(self, file: StoredFile) -> Json:
        """A file as it is answered to a GET."""
        return {
            "id": file.id,
            "object": "file",
            "bytes": file.bytes,
            "created_at": file.created_at,
            "expires_at": file.expires_at,
            "filename": file.filename,
            "purpose": file.purpose,
            "status": "pending" if file.pending > 0 else "processed",
            "status_details": None,
        }

    def uploaded(self, file: StoredFile) -> Any:
        """A file as the answer to its upload."""
        return self.file(file)

    def files(self, files: Sequence[StoredFile], *, more: bool) -> Any:
        """One page of files."""
        return _page([self.file(file) for file in files], more=more)

    def deleted(self, file_id: str) -> Json:
        return {"id": file_id, "object": "file", "deleted": True}

    def refusal(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> Any:
        """The body of an error."""
        kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
        return {"error": {"message": message, "type": kind, "param": param, "code": code}}

    def row(self, custom_id: Any, *, body: Json, unique: str) -> Json:
        """A line that got an answer."""
        return {
            "id": f"batch_req_{unique}",
            "custom_id": custom_id,
            "response": {"status_code": 200, "request_id": unique, "body": body},
            "error": None,
        }

    def failed_row(self, custom_id: Any, *, status: int, body: Json, unique: str) -> Json:
        """A line that got an error answer; `body` is OpenAI's envelope."""
        row = self.row(custom_id, body=body, unique=unique)
        row["response"]["status_code"] = status
        return row

    def unrun_row(self, custom_id: Any, *, code: str, unique: str) -> Json:
        """A line that was never run."""
        return {
            "id": f"batch_req_{unique}",
            "custom_id": custom_id,
            "response": None,
            "error": {"code": code, "message": _UNRUN[code]},
        }


class OpenAI(Dialect):
    late_file = True


class Azure(Dialect):
    created_status = 201

    def job_id(self) -> str:
        return f"batch_{uuid.uuid4()}"

    def file_id(self, purpose: str) -> str:
        return f"file-{uuid.uuid4().hex}"

    def job(self, job: Job) -> Json:
        written = super().job(job)
        del written["model"], written["usage"]
        written["output_file_id"] = job.output_file_id or ""
        written["error_file_id"] = job.error_file_id or ""
        return written

    def refusal(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> Any:
        return {"error": {"code": code or str(status), "message": message}}

    def row(self, custom_id: Any, *, body: Json, unique: str) -> Json:
        safe = {
            name: {"filtered": False, "severity": "safe"}
            for name in ("hate", "self_harm", "sexual", "violence")
        }
        if "choices" in body:
            choices = [{**choice, "content_filter_results": safe} for choice in body["choices"]]
            body = {
                **body,
                "choices": choices,
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": safe}],
            }
        return {
            "custom_id": custom_id,
            "response": {
                "body": body,
                "request_id": str(uuid.UUID(unique)),
                "status_code": 200,
            },
            "error": None,
        }

    def unrun_row(self, custom_id: Any, *, code: str, unique: str) -> Json:
        row = super().unrun_row(custom_id, code=code, unique=unique)
        del row["id"]
        return row


class Groq(Dialect):
    def file_id(self, purpose: str) -> str:
        return f"file_{uuid.uuid4().hex[:26]}"

    def job(self, job: Job) -> Json:
        written = super().job(job)
        del written["model"], written["usage"]
        return written


class Together(Dialect):
    created_status = 201

    def job_id(self) -> str:
        return str(uuid.uuid4())

    def file_id(self, purpose: str) -> str:
        return f"file-{uuid.uuid4()}"

    def status(self, job: Job) -> str:
        return super().status(job).upper()

    def job(self, job: Job) -> Json:
        done = job.completed + job.failed
        error = "; ".join(str(error["message"]) for error in job.errors or [])
        return {
            "id": job.id,
            "user_id": "user-fake",
            "input_file_id": job.input_file_id,
            "file_size_bytes": job.bytes,
            "status": self.status(job),
            "job_deadline": iso(job.expires_at),
            "created_at": iso(job.created_at),
            "endpoint": job.endpoint,
            "progress": 100.0 * done / job.lines if job.lines else 0.0,
            "model_id": job.model or "",
            "output_file_id": job.output_file_id or "",
            "error_file_id": job.error_file_id or "",
            "error": error,
            "completed_at": iso(job.times.get("completed")),
        }

    def created(self, job: Job) -> Any:
        return {"job": self.job(job)}

    def jobs(self, jobs: Sequence[Job], *, more: bool) -> Any:
        return [self.job(job) for job in jobs]

    def file(self, file: StoredFile) -> Json:
        return {
            "id": file.id,
            "object": "file",
            "bytes": file.bytes,
            "created_at": file.created_at,
            "filename": file.filename,
            "purpose": file.purpose,
            "FileType": "jsonl",
            "LineCount": file.lines,
            "Processed": True,
        }

    def files(self, files: Sequence[StoredFile], *, more: bool) -> Any:
        return {"data": [self.file(file) for file in files]}

    def deleted(self, file_id: str) -> Json:
        return {"id": file_id, "deleted": True}

    def row(self, custom_id: Any, *, body: Json, unique: str) -> Json:
        return {"custom_id": custom_id, "response": {"status_code": 200, "body": body}}

    def failed_row(self, custom_id: Any, *, status: int, body: Json, unique: str) -> Json:
        error = {"code": str(status), "message": body["error"]["message"]}
        return {"custom_id": custom_id, "error": error}

    def unrun_row(self, custom_id: Any, *, code: str, unique: str) -> Json:
        return {"custom_id": custom_id, "error": {"code": code, "message": _UNRUN[code]}}


class DeepInfra(Dialect):
    def file_id(self, purpose: str) -> str:
        return f"file_{uuid.uuid4().hex[:22]}"

    def counts(self, job: Job) -> Json | None:
        # Before validation it does not know how many lines there are.
        return None if job.status == "validating" else super().counts(job)

    def refusal(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> Any:
        if status == 401:
            return {"detail": {"error": message}}
        return super().refusal(status, message, code=code, param=param)

    def failed_row(self, custom_id: Any, *, status: int, body: Json, unique: str) -> Json:
        return {
            "id": f"batch_req_{unique}",
            "custom_id": custom_id,
            "response": None,
            "error": {"code": str(status), "message": body["error"]["message"]},
        }


class Parasail(Dialect):
    def job(self, job: Job) -> Json:
        return {**super().job(job), "expires_at": None}

    def deleted(self, file_id: str) -> Json:
        return {"id": file_id, "object": "file", "deleted": False}


class Novita(Dialect):
    def status(self, job: Job) -> str:
        return super().status(job).upper()

    def errors(self, job: Job) -> Any:
        return "; ".join(str(error["message"]) for error in job.errors or [])

    def job(self, job: Job) -> Json:
        written = super().job(job)
        del written["model"], written["usage"]
        for name in ("created", *_TIMES):
            written[f"{name}_at"] = iso(written[f"{name}_at"])
        counts = super().counts(job) or {"total": None, "completed": None, "failed": None}
        return {
            **written,
            "output_file_id": job.output_file_id or "",
            "error_file_id": job.error_file_id or "",
            "version": 1,
            "updated_at": written["created_at"],
            "created_by": "fake",
            "created_by_key_id": "fake",
            "remark": "",
            **counts,
        }

    def file(self, file: StoredFile) -> Json:
        return {
            "id": file.id,
            "object": "file",
            "bytes": file.bytes,
            "created_at": file.created_at,
            "filename": file.filename,
            "purpose": file.purpose,
            "metadata": {"total_requests": file.lines},
        }

    def refusal(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> Any:
        return {"code": status, "reason": (code or "FAILED").upper(), "message": message}


class SiliconFlow(Dialect):
    def counts(self, job: Job) -> Json | None:
        return None if job.status == "validating" else super().counts(job)

    def _file(self, file: StoredFile) -> Json:
        return {
            "id": file.id,
            "object": "file",
            "bytes": file.bytes,
            "createdAt": file.created_at,
            "filename": file.filename,
            "purpose": file.purpose,
        }

    def file(self, file: StoredFile) -> Json:
        return self._wrapped(self._file(file))

    def files(self, files: Sequence[StoredFile], *, more: bool) -> Any:
        return self._wrapped({"object": "list", "data": [self._file(file) for file in files]})

    def refusal(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> Any:
        # A wrong key draws a bare string, everything else an object.
        return message if status == 401 else {"code": 20012, "message": message, "data": None}

    def _wrapped(self, data: Json) -> Json:
        return {"code": 20000, "message": "Ok", "status": True, "data": data}


class DashScope(Dialect):
    def job_id(self) -> str:
        return f"batch_{uuid.uuid4()}"

    def file_id(self, purpose: str) -> str:
        return f"file-{'batch' if purpose == 'batch' else 'batch_output'}-{uuid.uuid4()}"


class Zhipu(Dialect):
    def job_id(self) -> str:
        return f"batch_{uuid.uuid4().int % 10**19}"

    def file_id(self, purpose: str) -> str:
        return f"{uuid.uuid4().int % 10**13}-{uuid.uuid4().hex}"

    def job(self, job: Job) -> Json:
        written = super().job(job)
        del written["model"], written["usage"]
        return {**written, **(super().counts(job) or {})}

    def refusal(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> Any:
        return {"error": {"code": "1000" if status == 401 else code or "1214", "message": message}}

    def row(self, custom_id: Any, *, body: Json, unique: str) -> Json:
        return {
            "response": {"status_code": 200, "body": body},
            "custom_id": custom_id,
            "id": f"batch_{unique}",
        }


def _page(data: list[Json], *, more: bool) -> Json:
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }


DIALECTS: Final[Mapping[str, type[Dialect]]] = {
    "openai": OpenAI,
    "azure": Azure,
    "groq": Groq,
    "together": Together,
    "deepinfra": DeepInfra,
    "parasail": Parasail,
    "nebius": Dialect,
    "doubleword": Dialect,
    "novita": Novita,
    "siliconflow": SiliconFlow,
    "dashscope": DashScope,
    "zhipu": Zhipu,
}
