"""Accounts: what a provider's configuration becomes.

online    its requests, one line at a time
jobs      its batch API, for Batchway's own jobs
archive   its batch API, for what others made there: the pass-through
health    whether its servers are well
"""

from collections.abc import Sequence
from typing import Protocol

from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.ports.archive import Archive
from batchway.ports.jobs import Jobs
from batchway.ports.online import Online, Request


class Account(Protocol):
    """Where to call, as whom, in which dialect. Belongs to one event loop.

    Holds credentials: they show in no `repr`, no error and no log.
    """

    @property
    def name(self) -> str:
        """The name in the configuration."""
        ...

    def online(self, call: Call) -> Online | None:
        """How a kind of line is sent; `None` where the account does not take that endpoint online.

        Asked once for each kind of call and kept, so what is the same for all of its lines is
        worked out here.

        Raises:
            ValueError: the model's name leads to no address of this account.
        """
        ...

    def jobs(self, call: Call) -> Jobs | None:
        """The batch API for jobs of one kind of call; `None` where the account has none.

        Raises:
            ValueError: the model's name leads to no address of this account.
        """
        ...

    def archive(self, overrides: Overrides) -> Archive | None:
        """The batch API, to look at jobs and files by their ids; `None` where there is none."""
        ...

    async def health(self, model: str) -> Sequence[Request]:
        """Requests whose GET tells whether the account's server is well, the best one first.

        The last is one that only good credentials may make. Empty where there is none. Costs no
        money at the provider.
        """
        ...

    async def close(self) -> None:
        """Close connections. Harmless twice."""
        ...
