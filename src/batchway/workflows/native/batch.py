"""What the remote jobs of one batch have in common.

    ending     how their run ends, and the pauses that end with it
    verdict    whether the batch is refused as a whole
    pilots     which job goes first
    details    what is told in `status_details`
    reasons    why a provider took no job of a model of this batch

Owns the joining of these. Does not own any job (`job`).
"""

from batchway.domain.batch import Batch
from batchway.domain.reason import Reason
from batchway.ports import Clock
from batchway.workflows.details import StatusDetails
from batchway.workflows.native.ending import RunEnding
from batchway.workflows.native.pilots import Pilots
from batchway.workflows.native.verdict import Verdict


class NativeBatch(RunEnding):
    """Shared by the jobs of one batch in one run.

    `names_providers` is whether a result says whose answer it is.
    """

    def __init__(
        self, *, batch: Batch, clock: Clock, details: StatusDetails, names_providers: bool
    ) -> None:
        super().__init__(clock=clock)
        self.batch = batch
        self.details = details
        self.names_providers = names_providers
        self.verdict = Verdict(run=self)
        self.pilots = Pilots(run=self, verdict=self.verdict)
        # By provider and model. In the provider's own words, which are for this batch alone.
        self.reasons: dict[tuple[str, str], Reason] = {}
