"""The filters of `GET /batches`: what they leave in a list, and how wrong ones are refused."""

from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.contract.test_api_harness import UNKNOWN_FILE, Server, an_error, serving

from batchway.domain.status import BatchStatus

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
STATUSES = (
    "'validating', 'failed', 'in_progress', 'finalizing', 'completed', 'expired', 'cancelling', "
    "and 'cancelled'"
)
ENDPOINTS = (
    "'/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', and "
    "'/v1/moderations'"
)
MOMENT = "expected Unix seconds or an ISO 8601 time such as '2026-11-23T00:00:00Z'"
NOON = 1_795_262_400  # 2026-11-21T12:00:00Z


@pytest.fixture(scope="module")
def api(upgraded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """An API with four batches, made an hour apart; each is named in its metadata."""
    folder = tmp_path_factory.mktemp("lists")
    database = folder / "batchway.db"
    database.write_bytes(upgraded_sqlite.read_bytes())
    with serving(f"sqlite:///{database}", folder / "blobs") as server:
        for hour, (name, endpoint, provider, further) in enumerate(
            [
                ("first", CHAT, "vllm", {"team": "search", "näme ]": "a&b=c"}),
                ("second", CHAT, "openai-main", {"team": "search"}),
                ("third", EMBEDDINGS, "vllm", {"team": "ads", "empty": ""}),
                ("fourth", CHAT, None, {}),
            ]
        ):
            server.clock.ahead += NOON + hour * 3_600 - server.clock.now() + 0.1
            body = {
                "input_file_id": UNKNOWN_FILE,
                "endpoint": endpoint,
                "completion_window": "30d",
                "metadata": {"name": name, **further},
            }
            reply = server.post("/v1/batches", body)
            assert (reply.status, reply.json()["created_at"]) == (200, NOON + hour * 3_600)
            if provider is not None:
                begun = server.ledger.batches.begin(
                    reply.json()["id"], at=NOON, model=None, shards=[], providers=[provider]
                )
                assert server.run(begun)
            if name == "first":
                failed = server.ledger.batches.move(reply.json()["id"], BatchStatus.FAILED, at=NOON)
                assert server.run(failed)
        yield server


def names(api: Server, query: str) -> list[str]:
    reply = api.ask("GET", f"/v1/batches?{query}")
    assert reply.status == 200, reply.body
    return [batch["metadata"]["name"] for batch in reply.json()["data"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "fourth third second first"),
        ("status=&provider=&endpoint=&created_after=&created_before=", "fourth third second first"),
        ("status=failed", "first"),
        ("status=in_progress", "third second"),
        ("status=completed", ""),
        ("provider=vllm", "third first"),
        ("provider=nobody", ""),
        ("provider=%00", ""),
        ("endpoint=/v1/embeddings", "third"),
        ("metadata[team]=search", "second first"),
        ("metadata[team]=search&metadata[name]=first", "first"),
        ("metadata%5Bteam%5D=search&status=in_progress", "second"),
        ("metadata[team]=Search", ""),
        ("metadata[tea]=search", ""),
        ("metadata[empty]=", "third"),
        ("metadata[team]=%25", ""),
        ("metadata[team]=%00", ""),
        (f"metadata[{quote('näme ]')}]={quote('a&b=c')}", "first"),
        (f"created_after={NOON}", "fourth third second"),
        (f"created_before={NOON + 3_600}", "first"),
        (f"created_after={NOON}&created_before={NOON + 7_200}", "second"),
        (f"created_after={NOON + 7_200}&created_before={NOON}", ""),
        ("created_after=2026-11-21T13:00:00Z", "fourth third"),
        ("created_after=2026-11-21T12:59:59.9Z", "fourth third second"),
        ("created_before=2026-11-21T12:00:00.1Z", "first"),
        ("created_after=2026-11-21T13:00:00", "fourth third"),
        ("created_after=2026-11-21T15:00:00%2B02:00", "fourth third"),
        ("created_after=2026-11-21T15:00:00+02:00", "fourth third"),
        ("created_before=2026-11-22", "fourth third second first"),
        ("order=asc&something=else", "fourth third second first"),
    ],
)
def test_a_filter_leaves_what_fits(api: Server, query: str, found: str) -> None:
    assert names(api, query) == found.split()
    assert names(api, f"{query}&limit=100") == found.split()


def test_pages_of_a_filtered_list_follow_on(api: Server) -> None:
    query = "/v1/batches?metadata[team]=search&limit=1"
    first = api.ask("GET", query).json()
    assert [batch["metadata"]["name"] for batch in first["data"]] == ["second"]
    assert first["has_more"] is True
    rest = api.ask("GET", f"{query}&after={first['last_id']}").json()
    assert [batch["metadata"]["name"] for batch in rest["data"]] == ["first"]
    assert rest["has_more"] is False


@pytest.mark.parametrize(
    ("query", "param", "message"),
    [
        (
            "status=done",
            "status",
            f"Invalid value: 'done'. Supported values are: {STATUSES}.",
        ),
        (
            "endpoint=/chat/completions",
            "endpoint",
            f"Invalid value: '/chat/completions'. Supported values are: {ENDPOINTS}.",
        ),
        (
            "provider=" + "x" * 256,
            "provider",
            "Invalid 'provider': expected at most 255 characters.",
        ),
        ("status=failed&status=failed", "status", "Invalid 'status': it is given twice."),
        (
            "metadata[a]=1&metadata[a]=2",
            "metadata[a]",
            "Invalid 'metadata[a]': it is given twice.",
        ),
        *(
            (
                query,
                "metadata",
                "Invalid 'metadata': expected a key in brackets, as in 'metadata[team]=search'.",
            )
            for query in ("metadata=team", "metadata[]=team", "metadata=")
        ),
        *(
            (
                query,
                "metadata",
                "Invalid 'metadata': expected a key of at most 64 characters and a value of at "
                "most 512, which is what metadata can hold.",
            )
            for query in (f"metadata[{'k' * 65}]=v", f"metadata[k]={'v' * 513}")
        ),
        (
            "&".join(f"metadata[{number}]=1" for number in range(17)),
            "metadata",
            "Invalid 'metadata': expected at most 16 keys, but got 17.",
        ),
        *(
            (
                f"created_after={given}",
                "created_after",
                f"Invalid 'created_after': {MOMENT}, but got '{given}'.",
            )
            for given in ("yesterday", "-1", "1e9", "1700000000000", "2026-13-01", "25:00")
        ),
    ],
)
def test_a_wrong_filter_is_refused(api: Server, query: str, param: str, message: str) -> None:
    reply = api.ask("GET", f"/v1/batches?{query}")
    assert (reply.status, reply.json()) == (
        400,
        an_error(message, param=param, code="invalid_value"),
    )
