"""A client of a Batchway server, for the commands that ask one.

Owns the HTTP of the few calls that those commands make, with flat memory in both directions, and
the sentence for every way a call can fail. Does not print.
"""

import json
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final, Self, cast
from urllib.parse import quote, urlsplit

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import ConnectError, PyreqwestError
from pyreqwest.multipart import FormBuilder, PartBuilder
from pyreqwest.request import SyncRequestBuilder
from pyreqwest.response import SyncResponse

from batchway.cli.console import printable
from batchway.cli.failures import CommandError

_PIECE: Final = 256 * 1024
_PAGE: Final = 100  # the most that the API gives at once

Json = dict[str, Any]


class Unreachable(CommandError):
    """No answer: the server is down, or the way to it is."""


class Refused(CommandError):
    """The server answered with an error; `status` is HTTP's."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """A Batchway server at `url`, with or without `/v1`. Close it, or use it as a context."""

    def __init__(self, *, url: str, api_key: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CommandError(
                f"The server's address must be a URL such as http://127.0.0.1:8080, "
                f"not '{printable(url)}'.",
                code=2,
            )
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise CommandError("The API key holds characters that no key has.", code=2)
        if "@" in urlsplit(url).netloc:
            raise CommandError("The server's address must not hold a user name or password.")
        self._url = url.rstrip("/")
        self._api_key = api_key
        builder = (
            SyncClientBuilder()
            .user_agent("batchway-cli")
            .connect_timeout(timedelta(seconds=10))
            # Long enough for a server that hashes the end of a large upload.
            .read_timeout(timedelta(seconds=300))
        )
        if parts.hostname in {"localhost", "127.0.0.1", "::1"}:
            # A proxy of the environment would look for this address on its own machine.
            builder = builder.no_proxy()
        self._client: SyncClient = builder.build()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    # ------------------------------------------------------------------------- files

    def upload(self, path: Path, *, sent: Callable[[int], None], name: str | None = None) -> Json:
        """Upload a batch's input. `sent` is told the size of each piece that left."""
        total = path.stat().st_size
        with path.open("rb") as file:

            def pieces() -> Iterator[bytes]:
                # Never more than was announced, should someone append while it is sent.
                left = total
                while left and (piece := file.read(min(_PIECE, left))):
                    left -= len(piece)
                    sent(len(piece))
                    yield piece

            part = PartBuilder.from_stream_with_length(pieces(), total)
            part = part.file_name(name or path.name).mime("application/jsonl")
            form = FormBuilder().text("purpose", "batch").part("file", part)
            return self._json(self._request("POST", "/files").multipart(form))

    def download(self, file_id: str, target: Path, *, received: Callable[[int], None]) -> int:
        """Store a file's content under a name that appears only when it is complete."""
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".part"
        )
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                written = self.copy(file_id, file, received=received)
                file.flush()
                os.fsync(file.fileno())
            # Temporary files are the owner's alone; results are like any other file.
            partial.chmod(0o666 & ~_umask())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return written

    def copy(self, file_id: str, target: IO[bytes], *, received: Callable[[int], None]) -> int:
        """Write a file's content to `target`; returns how many bytes."""
        written = 0
        request = self._request("GET", f"/files/{quote(file_id, safe='')}/content")
        with self._failures(), request.build_streamed() as response:
            self._check(response)
            while (piece := response.body_reader.read_chunk()) is not None:
                data = memoryview(piece)
                target.write(data)
                written += len(data)
                received(len(data))
        return written

    def lines(self, file_id: str) -> Iterator[bytes]:
        """A file's content line by line."""
        request = self._request("GET", f"/files/{quote(file_id, safe='')}/content")
        rest = b""
        with self._failures(), request.build_streamed() as response:
            self._check(response)
            while (piece := response.body_reader.read_chunk()) is not None:
                *whole, rest = (rest + bytes(piece)).split(b"\n")
                yield from whole
        if rest:
            yield rest

    # ------------------------------------------------------------------------- batches

    def create(self, body: Mapping[str, Any], *, provider: str | None) -> Json:
        """Create a batch."""
        request = self._request("POST", "/batches").body_json(dict(body))
        if provider is not None:
            request = request.header("x-tfy-provider-name", provider)
        return self._json(request)

    def delete(self, file_id: str) -> None:
        """Delete a file."""
        self._json(self._request("DELETE", f"/files/{quote(file_id, safe='')}"))

    def batch(self, batch_id: str) -> Json:
        """One batch."""
        return self._json(self._request("GET", f"/batches/{quote(batch_id, safe='')}"))

    def cancel(self, batch_id: str) -> Json:
        """Ask for a batch to be cancelled; returns it as it is then."""
        return self._json(self._request("POST", f"/batches/{quote(batch_id, safe='')}/cancel"))

    def batches(
        self, *, limit: int, after: str | None, where: Mapping[str, str] | None = None
    ) -> list[Json]:
        """Up to `limit` batches, newest first; `where` are filters as the API names them."""
        found: list[Json] = []
        while len(found) < limit:
            query: dict[str, str | int] = {**(where or {}), "limit": min(_PAGE, limit - len(found))}
            if after is not None:
                query["after"] = after
            page = self._json(self._request("GET", "/batches").query(query))
            data = cast("list[Json]", page.get("data") or [])
            found += data
            if not page.get("has_more") or not data:
                break
            after = str(data[-1]["id"])
        return found

    # ------------------------------------------------------------------------- the wire

    def _request(self, method: str, path: str) -> SyncRequestBuilder:
        request = self._client.request(method, self._url + path)
        if self._api_key:
            return request.header("authorization", f"Bearer {self._api_key}", is_sensitive=True)
        return request

    def _json(self, request: SyncRequestBuilder) -> Json:
        with self._failures():
            response = request.build().send()
            self._check(response)
            body = bytes(response.bytes())
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise self._foreign() from error
        if not isinstance(answer, dict):
            raise self._foreign()
        return cast(Json, answer)

    def _check(self, response: SyncResponse) -> None:
        if response.status < 400:
            return
        try:
            answer: Any = json.loads(bytes(response.bytes()))
            message = str(answer["error"]["message"])
        except (ValueError, KeyError, TypeError):
            message = f"The server at {self._url} answered {response.status}"
        sentence = printable(message).rstrip()
        if not sentence.endswith((".", "!", "?")):
            sentence += "."
        if response.status == 401 and not self._api_key:
            sentence += " Give a key with --api-key or BATCHWAY_API_KEY."
        if message.startswith("Invalid URL"):  # Batchway has every path that is asked for here
            sentence += f" Is {self._url} the address of a Batchway server?"
        raise Refused(sentence, status=response.status)

    @contextmanager
    def _failures(self) -> Generator[None]:
        try:
            yield
        except ConnectError as error:
            reason = _reason(error)
            why = "" if "refused" in reason else f" ({reason})"
            raise Unreachable(
                f"No Batchway server answers at {self._url}{why}. Start one with `batchway serve`, "
                "or give another address with --server or BATCHWAY_URL."
            ) from error
        except PyreqwestError as error:
            raise Unreachable(
                f"The connection to the server at {self._url} broke: {_reason(error)}."
            ) from error

    def _foreign(self) -> CommandError:
        return CommandError(f"What answers at {self._url} is not a Batchway server.")


def _reason(error: PyreqwestError) -> str:
    details = cast("dict[str, Any] | None", getattr(error, "details", None)) or {}
    causes = cast("list[dict[str, str]]", details.get("causes") or [])
    return printable(causes[-1]["message"] if causes else error.message).rstrip(".")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
