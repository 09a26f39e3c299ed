"""After the last kill: everything ends by itself, everything is right, nothing is left behind.

Owns the judgement of a whole campaign. That of one batch is `verdict`'s.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from tests.chaos.campaign import Campaign
from tests.chaos.client import Refused
from tests.chaos.orders import Order
from tests.chaos.tidiness import complaints, tidiness
from tests.chaos.verdict import ENDED, Batch, answered_lines, faults


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
    tidied = tidiness(arena.data, arena.root / "scratch", arena.server)
    outcome.found += tidied.found
    outcome.leftovers = tidied.leftovers
    outcome.found += complaints(arena.server)
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
