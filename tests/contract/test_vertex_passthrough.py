"""Whose objects of Cloud Storage are, where two tenants share a project on Vertex AI."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.contract.remote_accounts import KEY, new_provider, vendor
from tests.contract.remote_api import BLUE, RED, made_by
from tests.contract.test_api_harness import LINE, Reply, Server, serving
from tests.vertex_fake import BUCKET, VertexFake

from batchway.service.keys import configured_key

RESULTS = "prediction-model-2026-09-02T20:06:30.166279Z"
SECRET = "what red asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The API over a bucket in which red has run a batch; blue has the right to look things up."""

    api: Server
    fake: VertexFake
    tag: str

    @property
    def attempt(self) -> str:
        """The folder of everything that the batch made."""
        return f"gs://{BUCKET}/batchway/{self.tag}/"

    @property
    def results(self) -> str:
        """The directory of its results, of which there are two files."""
        return f"{self.attempt}out-1/{RESULTS}/"

    def get(self, address: str, secret: str = BLUE, *, quoted: int = 1, ending: str = "") -> Reply:
        """A file by its address, URL-encoded so many times."""
        for _ in range(quoted):
            address = quote(address, safe="")
        headers = {"authorization": f"Bearer {secret}", "x-tfy-provider-name": "azure"}
        return self.api.ask("GET", f"/v1/files/{address}{ending}", headers=headers)

    def create(self, file_id: str) -> Reply:
        """A batch of blue's over an input that lies there."""
        return self.api.post(
            "/v1/batches",
            {
                "input_file_id": file_id,
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
            },
            authorization=f"Bearer {BLUE}",
            x_tfy_provider_name="azure",
        )


@contextmanager
def shared(url: str, folder: Path) -> Generator[Bucket]:
    keys = [
        configured_key(name="blue", secret=BLUE, tenant="blue", passthrough=True),
        configured_key(name="red", secret=RED, tenant="red", passthrough=True),
    ]
    with vendor("vertex", keys=[KEY]) as fake:
        assert isinstance(fake, VertexFake)
        with serving(
            url,
            folder / "blobs",
            keys=keys,
            providers=("azure",),
            natives={"azure": new_provider("vertex", fake.base_url)},
        ) as api:
            bucket = Bucket(api=api, fake=fake, tag=f"batchway-{made_by(api, RED)[6:]}-0-1")
            text = f"{LINE.decode()}{SECRET}\n"
            fake.google.put(bucket.attempt + "input.jsonl", text.encode())
            for number in (0, 1):
                fake.google.put(f"{bucket.results}00000000000{number}.jsonl", text.encode())
            yield bucket


@pytest.fixture
def bucket(sqlite_url: str, tmp_path: Path) -> Generator[Bucket]:
    with shared(sqlite_url, tmp_path) as made:
        yield made


FOLDERS = [
    f"gs://{BUCKET}/batchway/",
    f"gs://{BUCKET}/batchway",
    f"gs://{BUCKET}/b",
    f"gs://{BUCKET}/",
    f"gs://{BUCKET}//",
    f"gs://{BUCKET}/batchway//",
    f"gs://{BUCKET}/batchway%2F",
    f"gs://{BUCKET}/x/../batchway/",
    "{attempt}",
    "{attempt}input.jsonl",
    "{attempt}out-1/",
    "{attempt}out-",
    "{results}",
    "{results}000000000000.jsonl",
    "{results}0",
]


def test_nothing_of_another_tenant_is_there(bucket: Bucket) -> None:
    absent = f"gs://{BUCKET}/no-such-file"
    for form in FOLDERS:
        address = form.format(attempt=bucket.attempt, results=bucket.results)
        for quoted, ending in product((1, 2), ("", "/content")):
            reply = bucket.get(address, quoted=quoted, ending=ending)
            unknown = bucket.get(absent, quoted=quoted, ending=ending)
            assert (reply.status, SECRET.encode() in reply.body) == (404, False), form
            assert _said(reply) == _said(unknown), form
        for file_id in (address, quote(address, safe="")):
            reply, unknown = bucket.create(file_id), bucket.create(absent)
            assert reply.status in {400, 404}, form
            assert SECRET.encode() not in reply.body
            assert _said(reply) == _said(unknown), form


def _said(reply: Reply) -> tuple[int, str]:
    """An answer without the id that was asked for."""
    error = reply.json()["error"]
    return reply.status, f"{error | {'message': re.sub(r'gs[:%].*', '', error['message'])}}"


def test_a_tenants_own_results_are_served_and_no_wider_folder(bucket: Bucket) -> None:
    for quoted in (1, 2):
        assert bucket.get(bucket.results, RED, quoted=quoted).status == 200
        content = bucket.get(bucket.results, RED, quoted=quoted, ending="/content")
        assert (content.status, content.body.count(SECRET.encode())) == (200, 2)
        assert bucket.get(bucket.attempt + "input.jsonl", RED, quoted=quoted).status == 200
    for folder in (bucket.attempt, f"{bucket.attempt}out-1/", f"gs://{BUCKET}/batchway/"):
        assert bucket.get(folder, RED).status == 404


@pytest.mark.parametrize(
    "further",
    [
        "batchway-{digits}-0-1.jsonl",
        "batchway-{digits}-0-1/input.jsonl",
        "deeper/000000000000.jsonl",
        RESULTS + "/000000000000.jsonl",
    ],
)
def test_a_directory_with_more_than_one_jobs_results_is_none(bucket: Bucket, further: str) -> None:
    folder = f"gs://{BUCKET}/prediction-jobs/"
    bucket.fake.google.put(folder + "000000000000.jsonl", b"mine\n")
    assert bucket.get(folder).status == 200
    digits = bucket.tag.split("-")[1]
    bucket.fake.google.put(folder + further.format(digits=digits), SECRET.encode())
    for ending in ("", "/content"):
        assert bucket.get(folder, ending=ending).status == 404
