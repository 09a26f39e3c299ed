"""S3 on a socket (moto's server), and a small `Service` that reaches it as a vendor would."""

import threading
from collections.abc import Collection, Generator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer
from obstore.store import S3Store
from tests.unit.fakes import FakeClock

from batchway.domain.cloud_names import S3_BUCKET
from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.buckets.addresses import Names
from batchway.providers.buckets.calls import Calls, Refusal, Stores
from batchway.providers.buckets.checksums import ETAGS
from batchway.providers.buckets.job_files import JobFiles, Layout, home_in
from batchway.providers.buckets.known_buckets import KnownBuckets
from batchway.providers.buckets.objects import StoreObjects
from batchway.providers.buckets.transfer import Transfer
from batchway.providers.http.trouble import Said

REGION: Final = "eu-central-1"
S3: Final = Names(scheme="s3", bucket=S3_BUCKET)
SECRET: Final = "a-secret-of-forty-characters-0123456789"
TOKEN: Final = "a-session-token-0123456789"


class S3Service:
    """`buckets.calls.Service` with credentials of botocore's; `owner` is whom buckets belong to."""

    def __init__(self, endpoint: str, *, owner: str | None = None, key: str | None = None) -> None:
        self.title = "S3"
        self.checksums = ETAGS
        self.credentials: Credentials | None = Credentials("AKIAEXAMPLE", SECRET, TOKEN)
        self._endpoint = endpoint
        self._owner = owner
        self._key = key

    def connect(self, bucket: str) -> S3Store:
        # Said in full: what is left out, obstore takes from the environment.
        config: Any = {
            "aws_endpoint_url_s3": self._endpoint,
            "endpoint": self._endpoint,
            "region": REGION,
            "virtual_hosted_style_request": False,
            "skip_signature": False,
            "unsigned_payload": False,
            "s3_express": False,
        }
        if self._key is not None:
            config |= {"server_side_encryption": "aws:kms", "sse_kms_key_id": self._key}
        headers = {} if self._owner is None else {"x-amz-expected-bucket-owner": self._owner}
        return S3Store(
            bucket,
            config=config,
            credential_provider=self._credential,
            client_options={
                "allow_http": True,
                "default_headers": headers,
                "timeout": timedelta(seconds=20),
            },
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=5)},
        )

    async def ready(self) -> None:
        if self.credentials is None:
            raise RemoteError(Trouble.DENIED, "There are no credentials.")

    def secrets(self) -> Collection[str]:
        return (SECRET, TOKEN)

    def _credential(self) -> Any:
        assert self.credentials is not None
        found = self.credentials.get_frozen_credentials()
        return {
            "access_key_id": found.access_key,
            "secret_access_key": found.secret_key,
            "token": found.token,
            "expires_at": None,
        }


def said(bucket: str, refusal: Refusal) -> Said:
    """What S3 says, with the bucket's name."""
    trouble = Trouble.BUSY if refusal.code == "SlowDown" else None
    return Said(message=f"{bucket}: {refusal.message}", code=refusal.code or None, trouble=trouble)


def calls_to(service: S3Service) -> Calls:
    """Calls of a provider called `acme`."""
    return Calls(provider="acme", stores=Stores(service), read=said)


class Wing:
    """All parts of the wing at one address."""

    def __init__(self, service: S3Service, bucket: str) -> None:
        self.service = service
        self.clock = FakeClock()
        self.objects = StoreObjects(calls_to(service))
        self.transfer = Transfer(calls=calls_to(service), objects=self.objects)
        self.files = JobFiles(
            provider="acme",
            layout=Layout(
                names=S3,
                home=home_in(S3, bucket, "/some/where/"),
                region="eu-central-1",
                unset="set `bucket`",
                is_result=lambda name: not name.endswith("manifest.json.out"),
            ),
            objects=self.objects,
            transfer=self.transfer,
            buckets=KnownBuckets(
                provider="acme",
                clock=self.clock,
                reaches=lambda location, region: location == region,
            ),
        )


def file(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


@contextmanager
def moto() -> Generator[str]:
    """The address of a server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def client(endpoint: str) -> Any:
    """The official client."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="AKIAOTHER",
        aws_secret_access_key="other",
    )


class Refusing:
    """A server that answers everything with one status and body, and keeps what it was sent."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.status = 403
        self.body = b""
        self.headers: list[dict[str, str]] = []

    def refuses(self, status: int, code: str, message: str) -> None:
        """With an error as S3 writes it."""
        self.status = status
        self.body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>R</RequestId></Error>"
        ).encode()


@contextmanager
def refusing() -> Generator[Refusing]:
    """The server, while it stands."""

    class Answers(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            kept.headers.append({name.lower(): value for name, value in self.headers.items()})
            body = b"" if self.command == "HEAD" else kept.body
            self.send_response(kept.status)
            self.send_header("etag", '"e"')
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - the base's names

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    kept = Refusing(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
