"""A plain client of the Files and Batches API, whose server may die at any point of a call.

Owns the wire. Every answer other than 200 is a `Refused`, a call without an answer is a `Gone`.
"""

import http.client
import json
import socket
from collections.abc import Mapping
from typing import Any

_BOUNDARY = "chaos-7d1f0a"
_TIMEOUT = 60.0


class Gone(Exception):
    """The server died before it answered: the call may have happened or not."""


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body[:300]!r}")
        self.status = status


class Client:
    """One tenant's view of the server."""

    def __init__(self, *, port: int, key: str) -> None:
        self._port = port
        self._key = key

    def upload(self, data: bytes, filename: str) -> dict[str, Any]:
        """Upload a batch's input file."""
        return json.loads(self._form("/v1/files", "file", data, filename))

    def half_upload(self, data: bytes, filename: str, sent: int) -> socket.socket:
        """Send the head and the first `sent` bytes of an upload's body; the rest never comes."""
        body = _form(data, "file", filename)
        head = (
            f"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=_TIMEOUT)
        connection.sendall(head.encode() + body[: min(sent, len(body) - 1)])
        return connection

    def create(
        self, file_id: str, *, tag: str, window: str = "24h", once: str | None = None
    ) -> dict[str, Any]:
        """Create a batch; `tag` goes into its metadata, `once` is an Idempotency-Key."""
        asked = {
            "input_file_id": file_id,
            "endpoint": "/v1/chat/completions",
            "completion_window": window,
            "metadata": {"tag": tag},
        }
        headers = {} if once is None else {"Idempotency-Key": once}
        return self._json("POST", "/v1/batches", asked, headers)

    def batch(self, batch_id: str) -> dict[str, Any]:
        """The batch."""
        return self._json("GET", f"/v1/batches/{batch_id}")

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Ask the batch to stop."""
        return self._json("POST", f"/v1/batches/{batch_id}/cancel")

    def batches(self) -> list[dict[str, Any]]:
        """Every batch of the tenant."""
        return self._list("/v1/batches?limit=100")

    def files(self) -> list[dict[str, Any]]:
        """Every file of the tenant."""
        return self._list("/v1/files?limit=10000")

    def content(self, file_id: str) -> bytes:
        """The bytes of a file."""
        return self._call("GET", f"/v1/files/{file_id}/content")

    def start_parts(self, size: int, filename: str) -> str:
        """Announce a file in parts; the id of the upload."""
        asked = {"bytes": size, "filename": filename, "mime_type": "text/jsonl", "purpose": "batch"}
        return self._json("POST", "/v1/uploads", asked)["id"]

    def add_part(self, upload_id: str, data: bytes) -> str:
        """Send one part; its id."""
        path = f"/v1/uploads/{upload_id}/parts"
        return json.loads(self._form(path, "data", data, "part"))["id"]

    def join_parts(self, upload_id: str, part_ids: list[str]) -> dict[str, Any]:
        """Complete an upload; its file."""
        path = f"/v1/uploads/{upload_id}/complete"
        return self._json("POST", path, {"part_ids": part_ids})["file"]

    def _list(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self._json("GET", path + after)
            items += page["data"]
            if not page["has_more"]:
                return items
            after = f"&after={page['last_id']}"

    def _json(
        self, method: str, path: str, asked: object = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        body = b"" if asked is None else json.dumps(asked).encode()
        kind = {} if asked is None else {"Content-Type": "application/json"}
        return json.loads(self._call(method, path, body, {**kind, **(headers or {})}))

    def _form(self, path: str, field: str, data: bytes, filename: str) -> bytes:
        kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        return self._call("POST", path, _form(data, field, filename), kind)

    def _call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        authorized = {"Authorization": f"Bearer {self._key}", **(headers or {})}
        try:
            connection.request(method, path, body, authorized)
            answer = connection.getresponse()
            got = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Gone(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(answer.status, got)
        return got


def _form(data: bytes, field: str, filename: str) -> bytes:
    purpose = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        if field == "file"
        else ""
    )
    head = (
        f'{purpose}--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; '
        f'filename="{filename}"\r\nContent-Type: application/jsonl\r\n\r\n'
    )
    return head.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
