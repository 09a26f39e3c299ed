"""A process that writes batches and blobs until it is killed; run by `test_ledger_processes`.

    python ledger_writer.py DATABASE_URL BLOB_DIRECTORY FIRST COUNT

Prints the number of each batch once all of it is answered for.
"""

import asyncio
import sys
from pathlib import Path

from tests.contract.ledger_values import a_file, a_segment, a_shard, begun

from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger


def content(number: int) -> bytes:
    """The bytes of a blob: recognisably whole."""
    return f"{number}\n".encode() * (number % 7 * 5_000 + 1)


async def write(url: str, root: Path, first: int, count: int) -> None:
    """Write `count` batches, numbered from `first`."""
    ledger = await SqlLedger.open(url)
    blobs = LocalBlobs(root)
    for number in range(first, first + count):
        writer = blobs.writer(f"files/{number}")
        writer.write(content(number))
        writer.commit()
        await ledger.files.add(a_file(number))
        batch_id = await begun(ledger, a_shard(0, batch=number), batch=number)
        claim = await ledger.shards.claim(batch_id, 0)
        for name in ("a", "b"):
            await ledger.shards.commit([a_segment(name, batch=number, fence=claim.fence)])
        print(number, flush=True)
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
