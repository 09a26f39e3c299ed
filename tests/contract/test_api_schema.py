"""The OpenAPI document against the running server: what it promises holds, whatever is sent.

Schemathesis makes requests of the document, good and bad ones; no answer may be a 5xx, undeclared
or unlike its schema. Bounded: some two hundred requests, the same ones every time.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from tests.contract.test_api_harness import LINE, Server, serving

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
OPERATIONS = {"/healthz", "/readyz", "/metrics"}


@pytest.fixture(scope="module")
def api(upgraded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """An API that needs no key, with something in it."""
    folder = tmp_path_factory.mktemp("schema")
    database = folder / "batchway.db"
    database.write_bytes(upgraded_sqlite.read_bytes())
    with serving(f"sqlite:///{database}", folder / "blobs") as server:
        file_id = server.upload(LINE)
        body = {
            "input_file_id": file_id,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        assert server.post("/v1/batches", body).status == 200
        yield server


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_documented(api: Server, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{api.url}/openapi.json")
    met: set[int] = set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and operation.path in OPERATIONS:
            continue  # they take nothing that could be wrong

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=10,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        def probe(case: Case[Any]) -> None:
            response = case.call()
            met.add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        probe()
    assert {400, 404} < met
    if mode is GenerationMode.POSITIVE:
        assert 200 in met
