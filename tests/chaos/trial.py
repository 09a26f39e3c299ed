"""A whole campaign from an empty directory to its outcome; what the kill tests run."""

import os
import random
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.aftermath import aftermath
from tests.chaos.appointments import keep
from tests.chaos.arena import arena
from tests.chaos.campaign import Campaign
from tests.chaos.report import report

SEED = "CHAOS_SEED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a test asserts about. `phases` is how many kills hit each."""

    text: str
    found: list[str]
    phases: dict[str, int]
    wasted: int
    allowed: int
    kills: int
    longest: int


def seed() -> int:
    """The seed of this run: `CHAOS_SEED`, else a new one."""
    return int(os.environ.get(SEED) or secrets.randbelow(1_000_000))


def rolled() -> random.Random:
    """The dice of a test; pytest shows their seed when it fails."""
    chosen = seed()
    print(f"{SEED}={chosen}")
    return random.Random(chosen)


def trial(root: Path, *, kills: int, at_work: int, patience: float, marathon: int = 0) -> Result:
    """Kill a server so many times over batches, then judge. `marathon` lines run all along."""
    chosen, began = seed(), time.monotonic()
    print(f"{SEED}={chosen}")
    with arena(root) as made:
        campaign = Campaign(made, dice=random.Random(chosen), at_work=at_work)
        if marathon:
            campaign.new_order(marathon, model="narrow/gpt-4o-mini")
            campaign.new_order(1319, model="narrow/gpt-4o-mini", window="1m")
        keep(campaign, kills)
        print(f"{kills} kills after {time.monotonic() - began:.0f} s")
        outcome = aftermath(campaign, patience=patience)
        text = report(campaign, outcome, seed=chosen, seconds=time.monotonic() - began)
        return Result(
            text=text,
            found=outcome.found,
            phases=dict(campaign.phases),
            wasted=outcome.wasted,
            allowed=sum(loss.allowed for loss in made.payments.losses),
            kills=campaign.kills,
            longest=max(campaign.longest.values(), default=0),
        )
