"""Kills while many small batches run: of what is one breath nothing may be lost or doubled."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.chaos.aftermath import aftermath
from tests.chaos.arena import arena
from tests.chaos.campaign import Campaign
from tests.chaos.trial import rolled

_BATCHES = 25
_KILLS = 4


@pytest.mark.timeout(240)
def test_many_small_batches_live_through_kills(tmp_path: Path) -> None:
    with arena(tmp_path, {"latency": "lognormal:0.08,0.5"}) as made:
        campaign = Campaign(made, dice=rolled(), at_work=0)
        for _ in range(_KILLS):
            campaign.start()
            orders = [campaign.new_order(10, model="steady/gpt-4o-mini") for _ in range(_BATCHES)]
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(campaign.upload, orders))
                list(pool.map(campaign.create, orders))
            time.sleep(campaign.dice.uniform(0.0, 1.0))
            campaign.kill()
        outcome = aftermath(campaign, patience=90)
        print(dict(campaign.phases), outcome.statuses)
        assert outcome.found == []
        assert outcome.statuses.total() == _KILLS * _BATCHES
        assert outcome.wasted <= sum(loss.allowed for loss in made.payments.losses)
        ran = sum(campaign.phases[status] for status in ("validating", "in_progress"))
        assert ran > 0, "no kill met a batch at work"
