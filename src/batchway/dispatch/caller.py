"""On whose behalf a line is sent: what slots and rates are shared by.

Owns a plain value. Does not own how callers share a provider: `fairness` does.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A tenant's batch; `deadline` is in Unix seconds.

    Tenants share a provider evenly; within a tenant the batch nearest its deadline goes first.
    """

    tenant: str
    batch_id: str
    deadline: float
