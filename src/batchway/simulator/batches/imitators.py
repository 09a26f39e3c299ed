"""How the vendors that imitate OpenAI's batch API write their JSON, and which vendor writes which.

Owns what they write differently from `dialects.Dialect`.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from batchway.simulator.batches.dialects import TIMES, UNRUN, Azure, Dialect, Json, OpenAI, iso
from batchway.simulator.batches.state import Job, StoredFile


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
        return {"custom_id": custom_id, "error": {"code": code, "message": UNRUN[code]}}


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
        for name in ("created", *TIMES):
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
