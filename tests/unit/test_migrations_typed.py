"""Migration 0009: batches of before, with metadata as pairs and overrides by field."""

import json
from typing import Any

from alembic import command
from sqlalchemy import Connection, create_engine, text
from tests.unit.test_migrations import url

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.ports import BatchFilter
from batchway.storage.ledger.address import Address
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.storage.migrations import config, upgrade

__all__ = ["url"]  # a fixture

RAW = {
    "x-tfy-provider-model": "qwen3-8b",
    "x-tfy-azure-api-version": "v1",
    "x-tfy-vertex-storage-bucket-name": "vb",
    "x-tfy-vertex-region": "eu",
    "x-tfy-aws-s3-bucket": "sb",
    "x-tfy-aws-bedrock-model": "bm",
}
EVERY = Overrides(
    model="qwen3-8b",
    azure_api_version="v1",
    vertex_bucket="vb",
    vertex_region="eu",
    s3_bucket="sb",
    bedrock_model="bm",
)


def add(connection: Connection, number: int, **values: Any) -> None:
    """A batch as release 0006 wrote it; `metadata` and what is in `options` may be given."""
    options: dict[str, Any] = {
        "provider": None,
        "job_name": None,
        "tfy_metadata": None,
        "overrides": {},
        "allowed_providers": None,
        "endpoint": None,
    }
    metadata = values.pop("metadata", None)
    connection.execute(
        text(
            "INSERT INTO batches (id, tenant, endpoint, input_file_id, completion_window, "
            "status, created_at, deadline, total, completed, failed, input_tokens, "
            "cached_tokens, output_tokens, reasoning_tokens, metadata, options) VALUES "
            "(:id, 'blue', '/v1/chat/completions', 'file-1', '24h', 'in_progress', 1, 2, "
            "10, 3, 1, 5, 4, 3, 2, :metadata, :options)"
        ),
        {
            "id": f"batch_{number}",
            "metadata": None if metadata is None else json.dumps(metadata),
            "options": json.dumps(options | values, separators=(",\n", ":")),
        },
    )


def at_0006(url: str, *batches: dict[str, Any]) -> None:
    """A database of 0006 with these batches, numbered from 1."""
    address = Address.parse(url)
    if address.path is not None:
        address.path.parent.mkdir(parents=True)
    engine = create_engine(address.synchronous)
    with engine.begin() as connection:
        command.upgrade(config(connection), "0006")
        for number, values in enumerate(batches, 1):
            add(connection, number, **values)
    engine.dispose()


async def test_overrides_of_before_are_carried_over(url: str) -> None:
    at_0006(
        url,
        {"overrides": RAW, "job_name": "nightly"},
        {"overrides": {"x-tfy-something-new": "x"}},
        {"overrides": {"x-tfy-vertex-region": "eu", "x-tfy-else": "y"}},
        {"tfy_metadata": {"x-tfy-provider-model": "a pair, no override"}},
        {},
    )
    upgrade(url)
    ledger = await SqlLedger.open(url)
    page = await ledger.batches.page("blue", limit=9, after=None)
    assert page is not None
    options = [batch.options for batch in reversed(page.items)]
    assert [each.overrides for each in options] == [
        EVERY,
        NO_OVERRIDES,
        Overrides(vertex_region="eu"),
        NO_OVERRIDES,
        NO_OVERRIDES,
    ]
    assert options[0].job_name == "nightly"
    assert options[3].tfy_metadata == {"x-tfy-provider-model": "a pair, no override"}
    assert options[4].overrides is NO_OVERRIDES
    await ledger.close()


async def test_metadata_of_before_is_found_by_its_pairs(url: str) -> None:
    odd = {"team": "a", "nul\0": r"back\slash", "": "ü 😀"}
    at_0006(url, {"metadata": odd}, {"metadata": {}}, {}, {"metadata": {"team": "a"}})
    engine = create_engine(Address.parse(url).synchronous)
    with engine.begin() as connection:
        # More than a step, and more than two.
        connection.execute(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2001) "
                "INSERT INTO batches (id, tenant, endpoint, input_file_id, completion_window, "
                "status, created_at, deadline, total, completed, failed, input_tokens, "
                "cached_tokens, output_tokens, reasoning_tokens, metadata, options) "
                "SELECT 'batch_x' || i, 'red', endpoint, input_file_id, completion_window, "
                "status, created_at, deadline, total, completed, failed, input_tokens, "
                "cached_tokens, output_tokens, reasoning_tokens, metadata, options "
                "FROM batches CROSS JOIN n WHERE id = 'batch_4' ORDER BY i"
            )
        )
    upgrade(url)
    with engine.begin() as connection:
        count = connection.scalar(text("SELECT count(*) FROM batch_metadata WHERE tenant = 'red'"))
    engine.dispose()
    assert count == 2_001
    ledger = await SqlLedger.open(url)

    async def found(tenant: str, metadata: dict[str, str]) -> list[str]:
        page = await ledger.batches.page(
            tenant, limit=3, after=None, where=BatchFilter(metadata=metadata)
        )
        assert page is not None
        return [batch.id for batch in page.items]

    assert await found("blue", {"team": "a"}) == ["batch_4", "batch_1"]
    assert await found("blue", odd) == ["batch_1"]
    assert await found("red", {"team": "a"}) == ["batch_x2001", "batch_x2000", "batch_x1999"]
    await ledger.close()
