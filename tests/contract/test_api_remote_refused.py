"""Look-ups at a provider that are refused, and the trouble that a provider makes, told."""

import json
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.contract.remote_api import (
    ARN,
    FILE,
    JOB,
    NARROW,
    PLAIN,
    RED,
    TFY,
    THEIRS,
    UNKNOWN_THEIRS,
    Shared,
    get,
    made_by,
    record_job,
    shared_account,
)
from tests.contract.scripted_provider import ScriptedProvider
from tests.contract.test_api_harness import Server, an_error

from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.status import BatchStatus


@pytest.fixture
def shared(sqlite_url: str, tmp_path: Path) -> Generator[Shared]:
    """An API over a provider with jobs and files that it did not make."""
    with shared_account(sqlite_url, tmp_path) as found:
        yield found


@pytest.fixture
def api(shared: Shared) -> Server:
    """The API."""
    return shared.api


@pytest.fixture
def azure(shared: Shared) -> ScriptedProvider:
    """The provider."""
    return shared.azure


@pytest.fixture
def twin(shared: Shared) -> ScriptedProvider:
    """The same account under another name."""
    return shared.twin


# ------------------------------------------------------------------------------- guarded


def test_without_the_header_nobody_is_asked(api: Server, azure: ScriptedProvider) -> None:
    assert api.ask("GET", f"/v1/batches/{THEIRS}", headers=PLAIN).json() == UNKNOWN_THEIRS
    reply = api.ask("GET", f"/v1/batches/{quote(ARN, safe='')}", headers=PLAIN)
    assert reply.json() == an_error(
        f"Invalid 'batch_id': '{ARN}'. Expected an ID that begins with 'batch'.",
        param="batch_id",
        code="invalid_value",
    )
    assert api.ask("GET", f"/v1/files/{FILE.id}/content", headers=PLAIN).status == 404
    assert azure.asked == []


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        (
            {"x-tfy-provider-name": "nobody"},
            400,
            an_error(
                "No provider named 'nobody' is configured. Configured: 'vllm', 'azure', 'twin'.",
                param="x-tfy-provider-name",
                code="provider_not_found",
            ),
        ),
        (
            {"authorization": f"Bearer {NARROW}"},
            403,
            an_error(
                "This API key may not use the provider 'azure'.",
                param="x-tfy-provider-name",
                code="provider_not_allowed",
                type="permission_error",
            ),
        ),
        (
            {"x-tfy-provider-name": "vllm"},
            400,
            an_error(
                f"Nothing of yours here has the id '{THEIRS}', and the provider 'vllm' has no "
                "batch API that could know it.",
                param="x-tfy-provider-name",
                code="provider_without_batches",
            ),
        ),
        (
            {"x-tfy-vertex-region": "evil.example/"},
            400,
            an_error(
                "Invalid header 'x-tfy-vertex-region': expected a region such as 'europe-west4', "
                "or 'global', 'us' or 'eu', but got 'evil.example/'.",
                param="x-tfy-vertex-region",
                code="invalid_header",
            ),
        ),
    ],
)
def test_a_wrong_header_says_what_is_wrong(
    api: Server, azure: ScriptedProvider, headers: dict[str, str], status: int, body: Any
) -> None:
    for method, path in (
        ("GET", f"/v1/batches/{THEIRS}"),
        ("POST", f"/v1/batches/{THEIRS}/cancel"),
        ("GET", f"/v1/files/{THEIRS}"),
        ("GET", f"/v1/files/{THEIRS}/content"),
        ("DELETE", f"/v1/files/{THEIRS}"),
    ):
        reply = api.ask(method, path, headers={**TFY, **headers})
        assert (reply.status, reply.json()) == (status, body)
    assert azure.asked == []


def test_what_another_tenant_made_there_is_unknown(
    api: Server, azure: ScriptedProvider, twin: ScriptedProvider
) -> None:
    record_job(api, made_by(api, RED))
    for provider in ("azure", "twin"):
        headers = {**TFY, "x-tfy-provider-name": provider}
        for method, path in (("GET", THEIRS), ("POST", f"{THEIRS}/cancel")):
            reply = api.ask(method, f"/v1/batches/{path}", headers=headers)
            assert (reply.status, reply.json()) == (404, UNKNOWN_THEIRS)
        for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            reply = api.ask(method, f"/v1/files/{FILE.id}{path}", headers=headers)
            assert (reply.status, reply.json()) == (
                404,
                an_error(f"No such File object: {FILE.id}", param="id"),
            )
    assert azure.asked == twin.asked == []
    # Their own key may look at it.
    mine = {**TFY, "authorization": f"Bearer {RED}"}
    assert api.ask("GET", f"/v1/batches/{THEIRS}", headers=mine).status == 200


def test_what_an_earlier_attempt_of_another_tenant_left_is_known_by_its_tag(
    api: Server, azure: ScriptedProvider
) -> None:
    tag = f"batchway-{made_by(api, RED)[6:]}-0-1"
    azure.known[THEIRS] = replace(JOB, metadata={"x": tag})
    azure.files[FILE.id] = replace(FILE, filename=f"{tag}.jsonl")
    for method, path in (
        ("GET", f"batches/{THEIRS}"),
        ("POST", f"batches/{THEIRS}/cancel"),
        ("GET", f"files/{FILE.id}"),
        ("GET", f"files/{FILE.id}/content"),
    ):
        assert api.ask(method, f"/v1/{path}", headers=TFY).status == 404
        mine = {**TFY, "authorization": f"Bearer {RED}"}
        assert api.ask(method, f"/v1/{path}", headers=mine).status == 200
    assert azure.known[THEIRS].status is BatchStatus.CANCELLING  # by its owner alone
    assert [call for call, _ in azure.asked].count("cancel") == 1


@pytest.mark.parametrize("name", ["output_file_id", "error_file_id"])
def test_results_of_another_tenants_job_are_unknown_before_it_is_polled(
    api: Server, azure: ScriptedProvider, twin: ScriptedProvider, name: str
) -> None:
    record_job(api, made_by(api, RED), output_file_id=None)
    for provider in (azure, twin):
        ended = replace(JOB, status=BatchStatus.COMPLETED, **{name: "file-new"})
        provider.known[THEIRS] = ended
        provider.files |= {"file-new": replace(FILE, id="file-new"), FILE.id: FILE}
    for provider in ("azure", "twin"):
        headers = {**TFY, "x-tfy-provider-name": provider}
        for path in ("", "/content"):
            reply = api.ask("GET", f"/v1/files/file-new{path}", headers=headers)
            assert (reply.status, reply.json()) == (
                404,
                an_error("No such File object: file-new", param="id"),
            )
            # What no batch of anybody's made stays to be read.
            assert api.ask("GET", f"/v1/files/{FILE.id}{path}", headers=headers).status == 200
    assert "content" not in [call for call, of in azure.asked + twin.asked if of == "file-new"]
    mine = {**TFY, "authorization": f"Bearer {RED}"}
    assert api.ask("GET", "/v1/files/file-new/content", headers=mine).status == 200


def test_a_file_that_is_older_than_every_job_is_nobodys(
    api: Server, azure: ScriptedProvider
) -> None:
    record_job(api, made_by(api, RED), output_file_id=None, submitted_at=1_700_000_000)
    azure.files[FILE.id] = replace(FILE, created_at=1_600_000_000)
    assert get(api, f"/v1/files/{FILE.id}").status == 200
    assert azure.asked == [("file", FILE.id)]


def test_more_jobs_than_can_be_looked_at_hide_the_file(
    api: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_job(api, made_by(api, RED), output_file_id=None)
    monkeypatch.setattr("batchway.service.ownership._MOST_JOBS", 0)
    reply = get(api, f"/v1/files/{FILE.id}/content")
    assert (reply.status, reply.json()["error"]["code"]) == (429, "provider_busy")
    assert reply.headers["retry-after"] == "60"


def test_a_job_that_does_not_answer_hides_the_file(api: Server, azure: ScriptedProvider) -> None:
    record_job(api, made_by(api, RED), output_file_id=None)
    azure.job_trouble = RemoteError(Trouble.UNCERTAIN, "azure did not answer.")
    assert get(api, f"/v1/files/{FILE.id}/content").status == 504
    azure.job_trouble = RemoteError(Trouble.NOT_FOUND, "azure: another account.")
    assert get(api, f"/v1/files/{FILE.id}/content").status == 200


@pytest.mark.parametrize("given", ["..", ".", "../files", "x/../y", "a\nb", "x" * 2_049])
def test_an_id_that_leads_elsewhere_is_unknown(
    api: Server, azure: ScriptedProvider, given: str
) -> None:
    for kind in ("batches", "files"):
        # A dot alone would be resolved by the client itself.
        path = quote(given, safe="").replace(".", "%2E")
        assert get(api, f"/v1/{kind}/{path}").status == 404
    assert azure.asked == []


def test_a_providers_file_is_never_deleted(api: Server, azure: ScriptedProvider) -> None:
    reply = api.ask("DELETE", f"/v1/files/{FILE.id}", headers=TFY)
    assert (reply.status, reply.json()) == (
        403,
        an_error(
            f"The file '{FILE.id}' is the provider's: it can be read here, and only deleted there.",
            param="id",
            code="file_not_ours",
            type="permission_error",
        ),
    )
    assert api.ask("DELETE", "/v1/files/file-y", headers=TFY).status == 404
    assert azure.asked == [("file", FILE.id), ("file", "file-y")]


# ------------------------------------------------------------------------------- trouble

_BATCHWAYS_KEY = "sk-of-the-account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What went wrong at a provider, and the answer that it draws."""

    error: RemoteError
    status: int
    body: dict[str, object]
    retry: str | None = None
    after: str | None = None


TOLD = [
    Told(
        error=RemoteError(Trouble.NOT_FOUND, "gone.", status=404),
        status=404,
        body=UNKNOWN_THEIRS,
        retry="false",
    ),
    Told(
        error=RemoteError(Trouble.DENIED, f"azure says: bad key {_BATCHWAYS_KEY}.", status=401),
        status=502,
        body=an_error(
            "The provider 'azure' does not let Batchway do this with the credentials that it is "
            "configured with. Whoever runs this Batchway can check them.",
            code="provider_denied",
            type="server_error",
        ),
        retry="false",
    ),
    Told(
        error=RemoteError(Trouble.BUSY, "azure is busy: slow down.", status=429, retry_after=1.2),
        status=429,
        body=an_error("azure is busy: slow down.", code="provider_busy", type="rate_limit_error"),
        after="2",
    ),
    Told(
        error=RemoteError(Trouble.BUSY, "azure is busy."),
        status=429,
        body=an_error("azure is busy.", code="provider_busy", type="rate_limit_error"),
        after="5",
    ),
    Told(
        error=RemoteError(Trouble.UNREACHABLE, "azure cannot be reached."),
        status=502,
        body=an_error("azure cannot be reached.", code="provider_unreachable", type="server_error"),
    ),
    Told(
        error=RemoteError(Trouble.UNCERTAIN, "azure did not answer.", status=500),
        status=504,
        body=an_error("azure did not answer.", code="provider_not_answering", type="server_error"),
    ),
    Told(
        error=RemoteError(Trouble.REFUSED, "azure says: {no} such version.", code="x", status=400),
        status=400,
        body=an_error("azure says: {no} such version.", code="provider_refused"),
        retry="false",
    ),
]


@pytest.mark.parametrize("told", TOLD, ids=lambda told: f"{told.error.trouble}-{told.after}")
def test_trouble_at_the_provider_is_told(api: Server, azure: ScriptedProvider, told: Told) -> None:
    azure.trouble = told.error
    for method, path in (("GET", THEIRS), ("POST", f"{THEIRS}/cancel")):
        reply = api.ask(method, f"/v1/batches/{path}", headers=TFY)
        assert (reply.status, reply.json()) == (told.status, told.body)
        assert reply.headers.get("x-should-retry") == told.retry
        assert reply.headers.get("retry-after") == told.after


def test_trouble_with_the_first_bytes_is_an_error_and_not_a_download(
    api: Server, azure: ScriptedProvider
) -> None:
    azure.broken = RemoteError(Trouble.BUSY, "azure is busy.")
    reply = get(api, f"/v1/files/{FILE.id}/content")
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (429, "provider_busy")
    azure.broken = RemoteError(Trouble.NOT_FOUND, "gone.")
    reply = get(api, f"/v1/files/{FILE.id}/content")
    assert (reply.status, reply.json()) == (
        404,
        an_error(f"No such File object: {FILE.id}", param="id"),
    )
