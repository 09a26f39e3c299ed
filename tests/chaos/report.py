"""What a campaign says about itself, as text."""

from collections import Counter

from tests.chaos.aftermath import Outcome
from tests.chaos.campaign import Campaign


def report(campaign: Campaign, outcome: Outcome, *, seed: int, seconds: float) -> str:
    """Phases hit, troubles met, answers wasted, leftovers, faults."""
    payments = campaign.arena.payments
    losses = payments.losses
    allowed = sum(loss.allowed for loss in losses)
    worst = max(losses, key=lambda loss: loss.wasted - loss.allowed)
    rows = [
        f"{campaign.kills} kills in {seconds:.0f} s, seed {seed} (CHAOS_SEED={seed} repeats it)",
        f"{len(campaign.orders)} batches of {outcome.lines} lines: {_listed(outcome.statuses)}",
        f"most kills lived through by one batch: {max(campaign.longest.values(), default=0)}",
        "",
        *(f"  {phase:28}{times:6}" for phase, times in sorted(campaign.phases.items())),
        "",
        f"upstream: {_listed(payments.seen)}",
        f"answers paid {outcome.paid}, needed {outcome.needed.total()}, wasted {outcome.wasted}, "
        f"allowed {allowed} "
        f"({sum(x.in_flight for x in losses)} in flight + {sum(x.recent for x in losses)} recent)",
        f"a kill wasted {sum(x.wasted for x in losses) / len(losses):.1f} of "
        f"{allowed / len(losses):.1f} allowed on average; the worst {worst.wasted} of "
        f"{worst.allowed}",
        f"left for the janitor, by design: {_listed(Counter(outcome.leftovers))}",
        *(f"FAULT {fault}" for fault in outcome.found[:40]),
    ]
    return "\n".join(rows)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{times} {name}" for name, times in sorted(counts.items())) or "none"
