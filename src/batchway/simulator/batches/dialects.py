"""How each vendor writes its jobs, files, lists, rows and errors.

Owns the JSON of OpenAI and Azure; the others override what they write differently (`imitators`).
The facts and their grades stand at the rows of `vendors`; a [?] here marks words that nobody has
published.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from batchway.simulator.batches.state import Job, StoredFile
from batchway.simulator.batches.vendors import Vendor

Json = dict[str, Any]

TIMES: Final = (
    "in_progress",
    "expires",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
)
UNRUN: Final = {
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
            **{f"{name}_at": times.get(name) for name in TIMES},
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
        return page([self.job(job) for job in jobs], more=more)

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
        return page([self.file(file) for file in files], more=more)

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
            "error": {"code": code, "message": UNRUN[code]},
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


def page(data: list[Json], *, more: bool) -> Json:
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }
