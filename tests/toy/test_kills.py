"""Twenty random kills of a server whose batches run at the toy, line by line and as its jobs.

What becomes of rows that fail, come twice or never, and of jobs that end early, is the campaign's
(`tests/chaos/test_native_kill.py`), which has the toy among its accounts.
"""

import json
import os
import random
import re
import secrets
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from tests.chaos.client import Client
from tests.chaos.orders import MODEL, Order, asked
from tests.chaos.processes import Server, free_port
from tests.chaos.trial import SEED
from tests.chaos.verdict import ENDED, faults
from tests.on_disk import tmp_path
from tests.toy.fake import ToyFake, process
from tests.toy.server import KEY

__all__ = ["tmp_path"]  # a fixture

KILLS: Final = 20
LINES: Final = 120
AT_ONCE: Final = 6
# What a kill may waste: what was in flight, and the answers since the last commit, which is a fifth
# of a second ago, or as many again on a busy machine.
LOSS: Final = AT_ONCE + 2 * int(AT_ONCE * 0.2 / 0.05)
SECRET: Final = "key-0123456789-blue"
# Both wires of the toy, in trouble now and then; an answer takes a while, or no kill would meet it.
TROUBLE: Final[list[dict[str, Any]]] = [
    {"on": "create", "do": "lose", "share": 0.1},
    {"on": "create", "do": "disown", "share": 0.1, "status": 502},
    {"on": "upload", "do": "lose", "share": 0.05},
    {"on": "content", "do": "cut", "share": 0.2, "bytes": 5_000},
    {"on": "job", "do": "refuse", "share": 0.1, "status": 500},
    {"on": "online", "do": "refuse", "share": 0.05, "status": 503},
    {"on": "online", "do": "refuse", "share": 0.05, "status": 200},
    {"on": "online", "do": "stall", "seconds": 0.05},
]


def _server(root: Path, toy: ToyFake) -> Server:
    quick = {"poll_min": 0.1, "poll_max": 0.5, "settle": 0.5, "lateness": 5, "max_lines": 50}
    providers = [
        {
            "name": mode,
            "type": "python",
            "class": "tests.toy.account:ToyAccount",
            "options": {"url": toy.origin, "key": KEY},
            "mode": mode,
            "native": quick,
            "limits": {"concurrency": AT_ONCE, "timeout": 3, "max_attempts": 30},
        }
        for mode in ("managed", "native")
    ]
    config = {
        "auth": {"keys": [{"name": "blue", "tenant": "blue", "key": SECRET}]},
        "providers": providers,
        "execution": {"commit_interval": 0.2, "drain_timeout": 5},
    }
    path = root / "batchway.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return Server(config=path, data=root / "data", port=free_port(), log=root / "server.log")


def _create(client: Client, made: Order) -> None:
    """Create an order's batch. Asked again after a crash it is the same batch."""
    if made.file_id is None:
        made.file_id = client.upload(made.data, f"{made.tag}.jsonl")["id"]
    assert made.file_id is not None
    made.batch_id = client.create(made.file_id, tag=made.tag, once=made.tag)["id"]


def _all_ended(client: Client, patience: float) -> dict[str, dict[str, Any]]:
    deadline = time.monotonic() + patience
    while True:
        batches = {batch["id"]: batch for batch in client.batches()}
        waiting = [batch for batch in batches.values() if batch["status"] not in ENDED]
        if not waiting:
            return batches
        assert time.monotonic() < deadline, waiting
        time.sleep(0.1)


def _content(client: Client, file_id: str | None) -> bytes | None:
    return None if file_id is None else client.content(file_id)


@pytest.mark.timeout(300)  # half a minute on two idle cores
def test_twenty_kills_of_batches_at_the_toy(tmp_path: Path) -> None:
    seed = int(os.environ.get(SEED) or secrets.randbelow(1_000_000))
    print(f"{SEED}={seed}")
    dice = random.Random(seed)
    orders: list[Order] = []
    met = 0  # kills of a server with work in hand
    with process(least=10, rules=TROUBLE, phases={"in_progress": 0.6}) as toy:
        server = _server(tmp_path, toy)
        client = Client(port=server.port, key=SECRET)
        try:
            for kill in range(KILLS):
                server.start_and_wait()
                ended = {b["id"] for b in client.batches() if b["status"] in ENDED}
                running = {made.batch_id for made in orders} - ended
                met += bool(running)
                for mode in ("managed", "native") if len(running) < 3 else ():
                    tag = f"{mode}-{kill:02}"
                    data, lines = asked(
                        tag=tag,
                        model=f"{mode}/{MODEL}",
                        start=dice.randrange(1319),
                        count=LINES,
                        script=lambda _: "",
                    )
                    orders.append(Order(tag=tag, tenant="blue", lines=lines, data=data))
                    _create(client, orders[-1])
                time.sleep(dice.uniform(0.0, 0.9))
                server.kill()
            server.start_and_wait()
            toy.trouble()
            batches = _all_ended(client, 120)
            found: list[str] = []
            for made in orders:
                batch = batches[made.batch_id or ""]
                output = _content(client, batch["output_file_id"])
                found += faults(made, batch, output, _content(client, batch["error_file_id"]))
            stats = toy.stats()
            assert server.end() == 0
        finally:
            server.kill()
    assert found == []
    assert met > KILLS / 2
    _check_payments(orders, stats)


def _check_payments(orders: list[Order], stats: dict[str, Any]) -> None:
    native = [made for made in orders if made.tag.startswith("native")]
    managed = [made for made in orders if made.tag.startswith("managed")]
    # A job for each fifty lines, once under one tag and once at all.
    jobs = Counter(re.sub(r"-\d+\.jsonl$", "", made["filename"]) for made in stats["creates"])
    assert set(jobs.values()) == {1}
    assert len(jobs) == 3 * len(native)
    assert stats["files"] == []
    digests = {line.digest for made in native for line in made.lines}
    assert stats["lines_by_digest"] == dict.fromkeys(digests, 1)
    online = stats["online_by_digest"]
    assert online.keys() == {line.digest for made in managed for line in made.lines}
    wasted = sum(online.values()) - len(online)
    print(f"{len(orders)} batches; {len(online)} lines asked for, {wasted} of them again")
    assert wasted <= KILLS * LOSS
    assert stats["forged"] == 0
