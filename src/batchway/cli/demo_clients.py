"""Who talks to the server in the demo: the `openai` package, or the command line's own client."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from openai import OpenAI

    from batchway.cli.client import Server

Json = dict[str, Any]
_KEY: Final = "demo"  # any does, where no key is configured


class Client(Protocol):
    """The calls of the demo; objects are OpenAI's."""

    @property
    def name(self) -> str: ...

    def upload(self, path: Path) -> Json: ...
    def create(self, body: Json) -> Json: ...
    def batch(self, batch_id: str) -> Json: ...
    def download(self, file_id: str, target: Path) -> None: ...


def new_client(url: str) -> Client:
    """The official SDK where it is installed."""
    try:
        from openai import OpenAI  # noqa: PLC0415 - not everybody has it
    except ImportError:
        from batchway.cli.client import Server  # noqa: PLC0415 - slow to import, see the package

        return _Own(Server(url=url, api_key=_KEY))
    return _Official(OpenAI(base_url=url, api_key=_KEY))


class _Own:
    name = "Batchway's own; with `pip install openai` it is the official SDK"

    def __init__(self, server: "Server") -> None:
        self._server = server

    def upload(self, path: Path) -> Json:
        return self._server.upload(path, sent=lambda _: None)

    def create(self, body: Json) -> Json:
        return self._server.create(body, provider=None)

    def batch(self, batch_id: str) -> Json:
        return self._server.batch(batch_id)

    def download(self, file_id: str, target: Path) -> None:
        self._server.download(file_id, target, received=lambda _: None)


class _Official:
    name = "the openai package"

    def __init__(self, client: "OpenAI") -> None:
        self._client = client

    def upload(self, path: Path) -> Json:
        with path.open("rb") as file:
            return self._client.files.create(file=file, purpose="batch").to_dict()

    def create(self, body: Json) -> Json:
        return self._client.batches.create(**body).to_dict()

    def batch(self, batch_id: str) -> Json:
        return self._client.batches.retrieve(batch_id).to_dict()

    def download(self, file_id: str, target: Path) -> None:
        self._client.files.content(file_id).write_to_file(target)
