"""After the last kill of native batches: all is well at the vendors, everything ends and is judged.

Owns the judgement of a whole campaign and its report. That of one batch is `native_verdict`'s.
"""

import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.native_appointments import DECK, Appointment, keep
from tests.chaos.native_arena import ACCOUNTS, Account, native_arena
from tests.chaos.native_campaign import NativeCampaign
from tests.chaos.native_verdict import faults, jobs_of, payment_faults
from tests.chaos.tidiness import complaints, tidiness
from tests.chaos.trial import SEED
from tests.chaos.verdict import ENDED, Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeResult:
    """What a test asserts about. `phases` is how many kills hit each."""

    text: str
    found: list[str]
    phases: dict[str, int]
    kills: int


def native_trial(
    root: Path,
    *,
    kills: int,
    at_work: int,
    patience: float,
    deck: tuple[Appointment, ...] = DECK,
    accounts: Sequence[Account] = ACCOUNTS,
) -> NativeResult:
    """Kill a server so many times over native batches, then judge. `patience` is in seconds."""
    seed = int(os.environ.get(SEED) or secrets.randbelow(1_000_000))
    print(f"{SEED}={seed}")
    began = time.monotonic()
    with native_arena(root, accounts) as arena:
        campaign = NativeCampaign(arena, dice=random.Random(seed), at_work=at_work)
        keep(campaign, kills, deck=deck)
        print(f"{kills} kills after {time.monotonic() - began:.0f} s")
        found, statuses = _judged(campaign, patience)
        text = _report(campaign, found, statuses, seed=seed, seconds=time.monotonic() - began)
        return NativeResult(
            text=text, found=found, phases=dict(campaign.phases), kills=campaign.kills
        )


def _judged(campaign: NativeCampaign, patience: float) -> tuple[list[str], Counter[str]]:
    """Everything that is wrong, and how the batches ended. Ends with the server stopped."""
    arena, statuses = campaign.arena, Counter[str]()
    found: list[str] = []
    arena.calm()
    campaign.start_alone()
    for made in campaign.orders:
        if made.batch_id is None:
            campaign.create(made)
    batches = _all_ended(campaign, found, patience)
    stats = {vendor: fake.stats() for vendor, fake in arena.fakes.items()}
    jobs = {vendor: jobs_of(known) for vendor, known in stats.items()}
    for made in campaign.orders:
        batch = batches.get(made.batch_id or "")
        if batch is None:
            found.append(f"{made.tag} is lost although its create was answered")
            continue
        statuses[batch["status"]] += 1
        if sum(other["metadata"] == {"tag": made.tag} for other in batches.values()) != 1:
            found.append(f"{made.tag} was created more than once")
        output, errors = (
            None if batch[name] is None else arena.client.content(batch[name])
            for name in ("output_file_id", "error_file_id")
        )
        found += faults(made, batch, output, errors, jobs[made.account.vendor])
    for vendor, known in stats.items():
        found += payment_faults(vendor, known, campaign.orders, batches)
    code = arena.server.end()
    if code != 0:
        found.append(f"SIGTERM ended the server with {code}")
    if arena.spool.exists() and (spooled := sorted(path.name for path in arena.spool.iterdir())):
        found.append(f"spooled inputs are left: {spooled[:3]}")
    found += tidiness(arena.data, arena.root / "scratch", arena.server).found
    found += complaints(arena.server)
    return found, statuses


def _all_ended(campaign: NativeCampaign, found: list[str], patience: float) -> dict[str, Batch]:
    """The batches by id, once all have ended or patience has."""
    deadline = time.monotonic() + patience
    while True:
        batches = {batch["id"]: batch for batch in campaign.arena.client.batches()}
        waiting = [batch for batch in batches.values() if batch["status"] not in ENDED]
        if not waiting:
            return batches
        if time.monotonic() > deadline:
            found += [
                f"{batch['id']} is still {batch['status']}: {batch['request_counts']}, "
                f"{batch.get('status_details')}"
                for batch in waiting
            ]
            return batches
        time.sleep(0.25)


def _report(
    campaign: NativeCampaign,
    found: list[str],
    statuses: Counter[str],
    *,
    seed: int,
    seconds: float,
) -> str:
    vendors: list[str] = []
    for vendor, fake in campaign.arena.fakes.items():
        stats = fake.brief()
        ended = Counter(job["status"] for job in stats["jobs"])
        answers = stats["answers"]
        struck = {name: n for name, n in answers.items() if name.split()[1] not in ("200", "201")}
        vendors.append(f"{vendor}: jobs {dict(ended)}, {stats['lines']} lines; {struck}")
    lines = sum(len(made.lines) for made in campaign.orders)
    rows = [
        f"{campaign.kills} kills in {seconds:.0f} s, seed {seed} ({SEED}={seed} repeats it)",
        f"{len(campaign.orders)} native batches of {lines} lines: {dict(statuses)}",
        f"most kills lived through by one batch: {max(campaign.longest.values(), default=0)}",
        *(f"  {phase:28}{times:6}" for phase, times in sorted(campaign.phases.items())),
        *vendors,
        *(f"FAULT {fault}" for fault in found[:40]),
    ]
    return "\n".join(rows)
