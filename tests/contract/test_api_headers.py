"""TrueFoundry's headers: documented on every route of batches and files, and held to a shape."""

from collections.abc import Generator
from pathlib import Path

import pytest
from tests.contract.test_api_harness import UNKNOWN_FILE, Server, an_error, serving
from tests.contract.truefoundry import HEADERS

from batchway.api.overrides import OVERRIDE_HEADERS
from batchway.domain.overrides import NO_OVERRIDES, Overrides

FIELDS = {header.name: header.field for header in OVERRIDE_HEADERS}
BODY = {
    "input_file_id": UNKNOWN_FILE,
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
}
MODEL = "1 to 512 printable ASCII characters without spaces"
VERSION = "a version such as '2024-10-21', '2025-04-01-preview', 'v1' or 'preview'"
BUCKET = "the name of a bucket, without {} and without a path"
REGION = "a region such as 'europe-west4', or 'global', 'us' or 'eu'"
GOOD = {
    "x-tfy-provider-model": [
        "gpt-4o-mini",
        "qwen/qwen3-8b:free",
        "publishers/google/models/gemini-2.5-flash@001",
    ],
    "x-tfy-azure-api-version": ["2024-10-21", "2025-04-01-preview", "v1", "preview"],
    "x-tfy-vertex-storage-bucket-name": ["abc", "my_bucket.example.com", "b" * 222],
    "x-tfy-vertex-region": ["europe-west4", "global", "us", "northamerica-northeast1"],
    "x-tfy-aws-s3-bucket": ["abc", "my-bucket.eu", "b" * 63],
    "x-tfy-aws-bedrock-model": [
        "anthropic.claude-3-haiku-20240307-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.meta.llama3-1-8b-instruct-v1:0",
    ],
    "x-tfy-something-new": ["any text at all: ü"],
}
BAD = {
    "x-tfy-provider-model": (MODEL, ["", "a b", "modèle", "m" * 513]),
    "x-tfy-azure-api-version": (VERSION, ["", "2024", "2024-10-21&x=y", "V1"]),
    "x-tfy-vertex-storage-bucket-name": (
        BUCKET.format("gs://"),
        ["", "ab", "gs://bucket", "bucket/path", "Bucket", "-ab", "b" * 223],
    ),
    "x-tfy-vertex-region": (REGION, ["", "evil.example/", "EU", "us_east", "mars-1", "us-central"]),
    "x-tfy-aws-s3-bucket": (
        BUCKET.format("s3://"),
        ["", "ab", "s3://bucket", "my_bucket", "bucket/", "b" * 64],
    ),
    "x-tfy-aws-bedrock-model": (MODEL, ["", "two words"]),
}


@pytest.fixture(scope="module")
def api(upgraded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """An API that needs no key."""
    folder = tmp_path_factory.mktemp("headers")
    database = folder / "batchway.db"
    database.write_bytes(upgraded_sqlite.read_bytes())
    with serving(f"sqlite:///{database}", folder / "blobs") as server:
        yield server


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in GOOD.items() for v in values])
def test_a_sane_value_is_remembered_with_the_batch(api: Server, name: str, value: str) -> None:
    reply = api.post("/v1/batches", BODY, **{name: value.encode().decode("latin-1")})
    assert reply.status == 200, reply.body
    batch = api.run(api.ledger.batches.load(reply.json()["id"]))
    assert batch is not None
    field = FIELDS.get(name)
    # What nobody documents is taken, and means nothing.
    assert batch.options.overrides == (
        NO_OVERRIDES if field is None else Overrides(**{field: value})
    )


@pytest.mark.parametrize(
    ("name", "shape", "value"),
    [(name, shape, value) for name, (shape, values) in BAD.items() for value in values],
)
def test_another_value_is_refused(api: Server, name: str, shape: str, value: str) -> None:
    reply = api.post("/v1/batches", BODY, **{name: value.encode().decode("latin-1")})
    assert (reply.status, reply.json()) == (
        400,
        an_error(
            f"Invalid header '{name}': expected {shape}, but got '{value[:64]}'.",
            param=name,
            code="invalid_header",
        ),
    )


def test_every_route_of_batches_and_files_documents_every_header(api: Server) -> None:
    document = api.ask("GET", "/openapi.json").json()
    patterns = {header.name: f"^({header.pattern})$" for header in OVERRIDE_HEADERS}
    routes = 0
    for path, operations in document["paths"].items():
        if not path.startswith(("/v1/batches", "/v1/files")):
            continue
        for operation in operations.values():
            routes += 1
            found = {
                each["name"]: each["schema"].get("pattern")
                for each in operation["parameters"]
                if each["in"] == "header" and each["name"].startswith("x-tfy-")
            }
            assert found == {"x-tfy-provider-name": None, "x-tfy-metadata": None, **patterns}
    assert routes == 9
    assert {*HEADERS, "x-tfy-provider-name"} == {
        "x-tfy-provider-name",
        "x-tfy-metadata",
        *patterns,
    }
