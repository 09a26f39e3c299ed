"""After the last kill: everything ends by itself, everything is right, nothing is left behind.

Owns the judgement of a whole campaign. That of one batch is `verdict`'s.
"""

import os
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from tests.chaos.arena import Arena
from tests.chaos.campaign import Campaign
from tests.chaos.client import Refused
from tests.chaos.orders import Order
from tests.chaos.site import damage
from tests.chaos.verdict import ENDED, Batch, answered_lines, faults

_TIDY_SECONDS = 20.0
_TWO_DAYS = 2 * 86_400
_DEFECTS = ("Traceback", "met a defect", "because of a defect", "unexpected")


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a campaign ended. `found` is everything that is wrong."""

    found: list[str] = field(default_factory=list[str])
    statuses: Counter[str] = field(default_factory=Counter[str])
    lines: int = 0
    needed: Counter[str] = field(default_factory=Counter[str])
    paid: int = 0
    leftovers: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def wasted(self) -> int:
        """Answers that were paid for and are in no result."""
        return self.paid - self.needed.total()


def aftermath(campaign: Campaign, *, patience: float) -> Outcome:
    """Let every batch end, judge it, and look for what is left. Ends with the server stopped."""
    arena, outcome = campaign.arena, Outcome()
    arena.configure(narrow=40)
    campaign.start_alone()
    for made in campaign.orders:
        if made.batch_id is None:
            campaign.create(made)
    batches = _all_ended(campaign, outcome, patience)
    for made in campaign.orders:
        _judge(campaign, made, batches[made.tenant], outcome)
    _judge_files(campaign, batches, outcome)
    code = arena.server.end()
    if code != 0:
        outcome.found.append(f"SIGTERM ended the server with {code}")
    arena.payments.settle()
    outcome.paid = arena.payments.answers
    for digest, times in outcome.needed.items():
        if arena.payments.paid[digest] < times:
            outcome.found.append(f"prompt {digest} has an answer that was never given")
    _judge_storage(arena, outcome)
    said = [line for line in arena.server.said().splitlines() if any(d in line for d in _DEFECTS)]
    outcome.found += [f"the log says: {line}" for line in said[:5]]
    return outcome


def _all_ended(
    campaign: Campaign, outcome: Outcome, patience: float
) -> dict[str, dict[str, Batch]]:
    """Every tenant's batches by id, once all have ended or patience has."""
    deadline = time.monotonic() + patience
    while True:
        batches = {
            tenant: {batch["id"]: batch for batch in client.batches()}
            for tenant, client in campaign.arena.clients.items()
        }
        everything = [batch for owned in batches.values() for batch in owned.values()]
        waiting = [batch for batch in everything if batch["status"] not in ENDED]
        if not waiting:
            return batches
        if time.monotonic() > deadline:
            outcome.found += [
                f"{batch['id']} is still {batch['status']}: {batch['request_counts']}"
                for batch in waiting
            ]
            return batches
        time.sleep(0.25)


def _judge(campaign: Campaign, made: Order, batches: dict[str, Batch], outcome: Outcome) -> None:
    batch = batches.get(made.batch_id or "")
    if batch is None:
        outcome.found.append(f"{made.tag} is lost although its create was answered")
        return
    mine = [other for other in batches.values() if other["metadata"] == {"tag": made.tag}]
    if len(mine) != 1:
        outcome.found.append(f"{made.tag} was created {len(mine)} times")
    client = campaign.client(made)
    output, errors = (
        None if batch[name] is None else client.content(batch[name])
        for name in ("output_file_id", "error_file_id")
    )
    outcome.found += faults(made, batch, output, errors)
    outcome.statuses[batch["status"]] += 1
    outcome.lines += len(made.lines)
    outcome.needed.update(answered_lines(made, output))


def _judge_files(
    campaign: Campaign, batches: dict[str, dict[str, Batch]], outcome: Outcome
) -> None:
    clients = campaign.arena.clients
    known = {kept.file_id: kept for kept in campaign.kept}
    for kept in campaign.kept:
        if clients[kept.tenant].content(kept.file_id) != kept.data:
            outcome.found.append(f"{kept.file_id} has other bytes than were uploaded")
    for tenant, client in clients.items():
        results = {
            batch[name]
            for batch in batches[tenant].values()
            for name in ("output_file_id", "error_file_id")
        }
        for file in client.files():
            if file["id"] in results:
                continue
            if file["id"] in known:
                if known[file["id"]].tenant != tenant:
                    outcome.found.append(f"{tenant} sees {file['id']} of another tenant")
            elif campaign.unanswered.get(file["filename"]) != client.content(file["id"]):
                outcome.found.append(f"{file['filename']} is visible and not whole")
        for stranger in (other for name, other in clients.items() if name != tenant):
            for batch_id in batches[tenant]:
                with pytest.raises(Refused) as refused:
                    stranger.batch(batch_id)
                assert refused.value.status == 404


def _judge_storage(arena: Arena, outcome: Outcome) -> None:
    """No plan, no segment; of blobs only those with a row, once the janitor may take the rest."""
    outcome.found += damage(arena.data, arena.root / "scratch")
    site = arena.look()
    if site.planned or site.segment_rows:
        outcome.found.append(f"plans of ended batches are left: {sorted(site.planned)}")
    segments = sorted(key for key in site.blobs if key.startswith("segments/"))
    if segments:
        outcome.found.append(f"{len(segments)} segments of ended batches are left: {segments[:3]}")
    missing = sorted(site.file_rows - site.blobs)
    if missing:
        outcome.found.append(f"files without bytes: {missing[:3]}")
    # By design: bytes of a killed writer, and whole blobs whose row never came, stay for a day.
    parted = site.part_rows
    outcome.leftovers = {
        "unfinished blobs": len(site.unfinished_blobs),
        "blobs without a row": len(site.blobs - site.file_rows - parted),
    }
    _age(arena)
    arena.server.start_and_wait()
    deadline = time.monotonic() + _TIDY_SECONDS
    while time.monotonic() < deadline and (_blobs(arena) - site.file_rows - parted):
        time.sleep(0.1)
    arena.server.end()
    left = sorted(_blobs(arena) - site.file_rows - parted)
    if left:
        outcome.found.append(f"the janitor leaves {len(left)} blobs: {left[:3]}")
    if gone := sorted(site.file_rows - _blobs(arena)):
        outcome.found.append(f"the janitor took {len(gone)} blobs too many: {gone[:3]}")
    outcome.found += damage(arena.data, arena.root / "scratch")


def _age(arena: Arena) -> None:
    """Make every blob two days old, and every announced upload overdue."""
    for path in (arena.data / "blobs").rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime - _TWO_DAYS
            os.utime(path, (then, then))
    with closing(sqlite3.connect(arena.data / "batchway.db")) as ledger, ledger:
        ledger.execute("UPDATE uploads SET expires_at = created_at WHERE status = 'pending'")


def _blobs(arena: Arena) -> set[str]:
    root = arena.data / "blobs"
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
