"""Drives a vendor's batch API with the vendor's own SDK, and prints what it got as JSON.

    drive.py groq|together <origin> <input file>

Runs in an environment of its own that holds the SDK, never in the project's.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEY = "sk-test"
PATIENCE = 30.0


def groq(client: Any, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        uploaded = client.files.create(file=(path.name, file), purpose="batch")
    made = client.batches.create(
        input_file_id=uploaded.id,
        endpoint="/v1/chat/completions",
        completion_window="7d",
        metadata={"tag": "t-1"},
    )
    ended = _ended(lambda: client.batches.retrieve(made.id), {"completed", "failed"})
    listed = [batch.id for batch in client.batches.list().data]
    rows = client.files.content(ended.output_file_id).text()
    deleted = client.files.delete(uploaded.id).deleted
    return {
        "uploaded": uploaded.model_dump(),
        "made": made.model_dump(),
        "ended": ended.model_dump(),
        "listed": listed,
        "rows": rows,
        "failures": client.files.content(ended.error_file_id).text(),
        "deleted": deleted,
    }


def together(client: Any, path: Path) -> dict[str, Any]:
    uploaded = client.files.upload(file=str(path), purpose="batch-api")
    made = client.batches.create(input_file_id=uploaded.id, endpoint="/v1/chat/completions").job
    ended = _ended(lambda: client.batches.retrieve(made.id), {"COMPLETED", "FAILED"})
    listed = [batch.id for batch in client.batches.list()]
    rows = client.files.content(ended.output_file_id).text()
    return {
        "uploaded": uploaded.model_dump(mode="json"),
        "made": made.model_dump(mode="json"),
        "ended": ended.model_dump(mode="json"),
        "listed": listed,
        "rows": rows,
        "failures": client.files.content(ended.error_file_id).text(),
        "deleted": client.files.delete(uploaded.id).deleted,
    }


def _ended(look: Callable[[], Any], states: set[str]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while (batch := look()).status not in states:
        if time.monotonic() > deadline:
            raise TimeoutError(batch.status)
        time.sleep(0.02)
    return batch


def main() -> None:
    vendor, origin, path = sys.argv[1:]
    module = importlib.import_module(vendor)
    client = {"groq": "Groq", "together": "Together"}[vendor]
    drive = {"groq": groq, "together": together}[vendor]
    with getattr(module, client)(api_key=KEY, base_url=origin, max_retries=0) as opened:
        print(json.dumps(drive(opened, Path(path))))


main()
