"""Every seam of the system.

    clock      time
    blobs      where bytes live
    ledger     the SQL tables that are the truth
    engine     durable stories
    engine_load  what an inference engine says of itself
    account    a configured account: online, jobs, archive
    dialect    what lines and answers are called at an account
    online     one request to an upstream
    framing    the envelopes of lines in the files of providers' batch APIs
    jobs       jobs of providers' own batch APIs
    archive    what lies at a provider, for the pass-through

The core (service, workflows, dispatch) is written against these Protocols; storage, engine and
providers implement them; `bootstrap` joins the two. Docstrings state obligations: what is atomic,
what is idempotent, in which order things come. The contract suites in `tests/contract` hold every
implementation to them.
"""

from batchway.ports.account import (
    Account,
)
from batchway.ports.archive import (
    Archive,
    ArchivedFile,
    ArchivedJob,
)
from batchway.ports.blobs import (
    BlobReader,
    Blobs,
    BlobWriter,
)
from batchway.ports.clock import (
    Clock,
)
from batchway.ports.dialect import (
    Dialect,
    Encoded,
    Refused,
    Result,
    Size,
    Unfaithful,
)
from batchway.ports.engine import (
    Engine,
    Story,
)
from batchway.ports.engine_load import (
    EngineMetrics,
)
from batchway.ports.framing import (
    Framing,
    Row,
)
from batchway.ports.jobs import (
    BatchAccount,
    Jobs,
)
from batchway.ports.ledger import (
    Batches,
    BatchFilter,
    Delivered,
    Files,
    IdempotencyMismatch,
    Keys,
    Ledger,
    Order,
    Page,
    RemoteJobs,
    Shards,
    TargetLimit,
    TargetLimits,
    Uploads,
)
from batchway.ports.online import (
    Allowance,
    Answer,
    Failure,
    Notes,
    Online,
    Request,
    Scarce,
    Transport,
)
from batchway.ports.short import (
    Begun,
    Completed,
    Finished,
    ShortBatches,
)

__all__ = [
    "Account",
    "Allowance",
    "Answer",
    "Archive",
    "ArchivedFile",
    "ArchivedJob",
    "BatchAccount",
    "BatchFilter",
    "Batches",
    "Begun",
    "BlobReader",
    "BlobWriter",
    "Blobs",
    "Clock",
    "Completed",
    "Delivered",
    "Dialect",
    "Encoded",
    "Engine",
    "EngineMetrics",
    "Failure",
    "Files",
    "Finished",
    "Framing",
    "IdempotencyMismatch",
    "Jobs",
    "Keys",
    "Ledger",
    "Notes",
    "Online",
    "Order",
    "Page",
    "Refused",
    "RemoteJobs",
    "Request",
    "Result",
    "Row",
    "Scarce",
    "Shards",
    "ShortBatches",
    "Size",
    "Story",
    "TargetLimit",
    "TargetLimits",
    "Transport",
    "Unfaithful",
    "Uploads",
]
