"""Starting a fake of AWS: in a thread of the test, or as a process of its own."""

import json
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from batchway.simulator.aws.account import Account
from batchway.simulator.aws.keys import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from batchway.simulator.aws.metadata import CONTAINER
from batchway.simulator.aws.server import Server
from batchway.simulator.batches.listening import Listening, in_process, in_thread
from batchway.simulator.batches.remote import Dials, Remote


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """What a client signs with; `token` is a session's."""

    id: str = ACCESS_KEY_ID
    secret: str = SECRET_ACCESS_KEY
    token: str | None = None


class BedrockFake(Remote):
    """A running fake, by its URLs.

    `url` is the origin of Bedrock's control plane, its runtime and STS alike; `s3_url` that of S3.
    """

    def __init__(self, *, urls: str) -> None:
        origin, s3_url = urls.split()
        super().__init__(origin=origin)
        self.s3_url = s3_url

    @property
    def url(self) -> str:
        """The origin of all but S3."""
        return self.origin

    @property
    def keys(self) -> KeyPair:
        """The pair that every fake knows."""
        return KeyPair()

    def new_keys(self) -> KeyPair:
        """Another pair of a user."""
        return KeyPair(**self.asked("/__keys__?kind=user"))

    def session(self) -> KeyPair:
        """A pair with a token, which ends after `session_seconds`."""
        return KeyPair(**self.asked("/__keys__?kind=session"))

    def bearer(self) -> str:
        """An API key of Bedrock."""
        return cast("str", self.asked("/__keys__?kind=bearer")["key"])

    @property
    def container_uri(self) -> str:
        """Where a container gets a session: `AWS_CONTAINER_CREDENTIALS_FULL_URI`."""
        return self.origin + CONTAINER

    @property
    def behaviour(self) -> Dials:
        """The dials, as attributes that can be set: `fake.behaviour.shards = 3`."""
        return Dials(self)

    def make_bucket(self, name: str, *, region: str = "us-east-1") -> str:
        """Make a bucket, or empty the one that there is; answers its name."""
        self.asked("/__bucket__", {"name": name, "region": region})
        return name

    def objects(self) -> dict[str, int]:
        """Everything that lies in the buckets that this fake has met: sizes in bytes by URI."""
        return cast("dict[str, int]", self.asked("/__objects__")["objects"])

    def unfinished_uploads(self) -> list[str]:
        """The URIs of uploads in parts that were neither completed nor given up."""
        return cast("list[str]", self.asked("/__objects__")["unfinished_uploads"])

    def put(self, uri: str, data: bytes) -> None:
        """Lay an object into a bucket, past every permission."""
        self.asked("/__put__", {"uri": uri, "text": data.decode()})

    def read(self, uri: str) -> bytes:
        """The bytes of an object, past every permission."""
        return cast("str", self.asked("/__read__", {"uri": uri})["text"]).encode()


@asynccontextmanager
async def serving(
    *, port: int = 0, s3_port: int = 0, behaviour: Mapping[str, Any] | None = None
) -> AsyncGenerator[str]:
    """Serve on this event loop; yields the two origins, Bedrock's and S3's.

    Raises:
        RuntimeError: moto or botocore is missing.
    """
    for package in ("moto", "botocore"):
        if find_spec(package) is None:
            raise RuntimeError(
                f"The fake of AWS needs {package}: it is among the dependencies for development "
                "(`uv sync`, or `pip install 'moto[server,s3]'`)."
            )
    account = Account(folder=Path(tempfile.mkdtemp(prefix="fake-aws-")), behaviour=behaviour or {})
    downs: list[Callable[[float], None]] = []

    def down(seconds: float) -> None:
        for one in downs:
            one(seconds)

    server = Server(account=account, down=down)
    main = Listening(server=lambda one: downs.append(one) or server.handle, port=port)
    storage = Listening(server=lambda one: downs.append(one) or server.handle_storage, port=s3_port)
    try:
        yield f"{await main.start()} {await storage.start()}"
    finally:
        await main.close()
        await storage.close()
        await account.close()


@contextmanager
def running(*, port: int = 0, **behaviour: Any) -> Generator[BedrockFake]:
    """A fake in a thread of its own."""
    with in_thread("aws", serving(port=port, behaviour=behaviour)) as urls:
        yield BedrockFake(urls=urls)


@contextmanager
def process(*, port: int = 0, **behaviour: Any) -> Generator[BedrockFake]:
    """A fake in a process of its own: it survives whatever is killed around it."""
    arguments = ("--port", str(port), "--behaviour", json.dumps(behaviour))
    with in_process("aws", "batchway.simulator.aws", arguments) as urls:
        yield BedrockFake(urls=urls)
