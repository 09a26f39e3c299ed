"""A client of a Batchway server, for the commands that ask one.

Owns the HTTP of the few calls that those commands make, with flat memory in both directions, and
the sentence for every way a call can fail. Does not print.
"""

import json
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast
from urllib.parse import quote, urlencode, urlsplit

from batchway.cli.console import printable
from batchway.cli.exchange import Answer, Body, Cut, NotConnected, exchange
from batchway.cli.failures import CommandError
from batchway.providers.http.form import PIECE, Form

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
    """A Batchway server at `url`, with or without `/v1`."""

    def __init__(self, *, url: str, api_key: str | None) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            parts, usable = urlsplit(""), False
        if not usable:
            raise CommandError(
                f"The server's address must be a URL such as http://127.0.0.1:8080, "
                f"not '{printable(url)}'.",
                code=2,
            )
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise CommandError("The API key holds characters that no key has.", code=2)
        if "@" in parts.netloc:
            raise CommandError("The server's address must not hold a user name or password.")
        self._url = url.rstrip("/")
        self._api_key = api_key
        self._headers = {"accept": "*/*", "user-agent": "batchway-cli"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"

    # ------------------------------------------------------------------------- files

    def upload(self, path: Path, *, sent: Callable[[int], None], name: str | None = None) -> Json:
        """Upload a batch's input. `sent` is told the size of each piece that left."""
        total = path.stat().st_size
        form = Form(fields={"purpose": "batch"}, filename=name or path.name, size=total)

        def pieces() -> Iterator[bytes]:
            yield form.head
            with path.open("rb") as file:
                # Never more than was announced, should someone append while it is sent.
                left = total
                while left and (piece := file.read(min(PIECE, left))):
                    left -= len(piece)
                    yield piece
                    sent(len(piece))
            if left:
                raise CommandError(f"{printable(path)} became shorter while it was sent.")
            yield form.tail

        body = Body(content_type=form.content_type, length=form.length, pieces=pieces)
        return self._json("POST", "/files", body=body)

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
        with self._answer("GET", _content(file_id)) as answer:
            for piece in answer.pieces():
                target.write(piece)
                written += len(piece)
                received(len(piece))
        return written

    def lines(self, file_id: str) -> Iterator[bytes]:
        """A file's content line by line."""
        rest = b""
        with self._answer("GET", _content(file_id)) as answer:
            for piece in answer.pieces():
                *whole, rest = (rest + piece).split(b"\n")
                yield from whole
        if rest:
            yield rest

    # ------------------------------------------------------------------------- batches

    def create(self, body: Mapping[str, Any], *, provider: str | None) -> Json:
        """Create a batch."""
        sent = json.dumps(dict(body)).encode()
        return self._json(
            "POST",
            "/batches",
            headers={} if provider is None else {"x-tfy-provider-name": provider},
            body=Body(content_type="application/json", length=len(sent), pieces=lambda: (sent,)),
        )

    def delete(self, file_id: str) -> None:
        """Delete a file."""
        self._json("DELETE", f"/files/{quote(file_id, safe='')}")

    def batch(self, batch_id: str) -> Json:
        """One batch."""
        return self._json("GET", f"/batches/{quote(batch_id, safe='')}")

    def cancel(self, batch_id: str) -> Json:
        """Ask for a batch to be cancelled; returns it as it is then."""
        return self._json("POST", f"/batches/{quote(batch_id, safe='')}/cancel")

    def batches(
        self, *, limit: int, after: str | None, where: Mapping[str, str] | None = None
    ) -> list[Json]:
        """Up to `limit` batches, newest first; `where` are filters as the API names them."""
        found: list[Json] = []
        while len(found) < limit:
            query: dict[str, str | int] = {**(where or {}), "limit": min(_PAGE, limit - len(found))}
            if after is not None:
                query["after"] = after
            page = self._json("GET", f"/batches?{urlencode(query)}")
            data = cast("list[Json]", page.get("data") or [])
            found += data
            if not page.get("has_more") or not data:
                break
            after = str(data[-1]["id"])
        return found

    # ------------------------------------------------------------------------- the wire

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Generator[Answer]:
        """The answer to a request, as long as it is read. Raises `Unreachable`, `Refused`."""
        try:
            sent = {**self._headers, **(headers or {})}
            with exchange(method, self._url + path, sent, body) as answer:
                self._check(answer)
                yield answer
        except NotConnected as error:
            why = "" if "refused" in str(error) else f" ({printable(error)})"
            raise Unreachable(
                f"No Batchway server answers at {self._url}{why}. Start one with `batchway serve`, "
                "or give another address with --server or BATCHWAY_URL."
            ) from error
        except Cut as error:
            raise Unreachable(
                f"The connection to the server at {self._url} broke: {printable(error)}."
            ) from error

    def _json(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Json:
        with self._answer(method, path, headers=headers, body=body) as answer:
            data = answer.body()
        try:
            found = json.loads(data)
        except ValueError as error:
            raise self._foreign() from error
        if not isinstance(found, dict):
            raise self._foreign()
        return cast(Json, found)

    def _check(self, answer: Answer) -> None:
        if answer.status < 400:
            return
        try:
            found: Any = json.loads(answer.body())
            message = str(found["error"]["message"])
        except (ValueError, KeyError, TypeError):
            message = f"The server at {self._url} answered {answer.status}"
        sentence = printable(message).rstrip()
        if not sentence.endswith((".", "!", "?")):
            sentence += "."
        if answer.status == 401 and not self._api_key:
            sentence += " Give a key with --api-key or BATCHWAY_API_KEY."
        if message.startswith("Invalid URL"):  # Batchway has every path that is asked for here
            sentence += f" Is {self._url} the address of a Batchway server?"
        raise Refused(sentence, status=answer.status)

    def _foreign(self) -> CommandError:
        return CommandError(f"What answers at {self._url} is not a Batchway server.")


def _content(file_id: str) -> str:
    return f"/files/{quote(file_id, safe='')}/content"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
