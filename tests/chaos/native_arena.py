"""One server over one data directory, and the batch services that it brings its jobs to.

Owns the fakes, their everyday misbehaviour, the configuration and the end of every process. The
fakes are processes of their own: they live on when the server is killed, as providers do.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests import bedrock_fake, vertex_fake
from tests.chaos.client import Client
from tests.chaos.processes import Server, free_port
from tests.chaos.site import Site, look
from tests.toy import fake as toy
from tests.toy import server as toy_server

from batchway.simulator.batches import Behaviour, Fake, process
from batchway.simulator.batches.behaviour import parse

JOB_LINES: Final = 60
MODEL: Final = "gpt-4o-mini"
_SETTLE_SECONDS = 1.6  # more than the lists of jobs lag behind

Rule = dict[str, Any]

# Shares of requests of a kind. What is refused was not done, what is lost or disowned was.
_TROUBLE: Final[tuple[Rule, ...]] = (
    {"on": "create", "do": "lose", "share": 0.08},
    {"on": "create", "do": "disown", "share": 0.08, "status": 502},
    {"on": "create", "do": "refuse", "share": 0.05, "status": 503},
    {"on": "job", "do": "refuse", "share": 0.1, "status": 429, "retry_after": "0"},
    {"on": "job", "do": "refuse", "share": 0.05, "status": 500},
    {"on": "jobs", "do": "refuse", "share": 0.1, "status": 503},
    {"on": "files", "do": "refuse", "share": 0.05, "status": 502},
    {"on": "upload", "do": "lose", "share": 0.02},
    {"on": "content", "do": "cut", "share": 0.15, "bytes": 15_000},
    {"on": "content", "do": "chop", "share": 0.03},
    {"on": "online", "do": "refuse", "share": 0.05, "status": 503},
)
_PHASES: Final = {"validating": 0.05, "in_progress": 0.7, "finalizing": 0.05, "cancelling": 0.2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A provider in the configuration; `rescue` is on for those in the mode `auto`.

    `lines` are those of a job; `whole` is whether a job must have so many.
    """

    name: str
    vendor: str
    rescue: bool
    lines: int = JOB_LINES
    whole: bool = False

    def sized(self, count: int) -> int:
        """So many lines, or as many as fill about so many jobs."""
        return max(1, round(count / JOB_LINES)) * self.lines if self.whole else count


ACCOUNTS: Final = (
    Account(name="openai", vendor="openai", rescue=False),
    Account(name="rescued", vendor="openai", rescue=True),
    Account(name="azure", vendor="azure", rescue=True),
    Account(name="together", vendor="together", rescue=False),
    Account(name="toy", vendor="toy", rescue=True),
    Account(name="vertex", vendor="vertex", rescue=False),
    Account(name="vertex-auto", vendor="vertex", rescue=True),
)
# Jobs have at least a hundred lines there: twice those of the others, so they have their own trial.
BEDROCK: Final = (
    Account(name="bedrock", vendor="bedrock", rescue=False, lines=2 * JOB_LINES, whole=True),
    Account(name="bedrock-auto", vendor="bedrock", rescue=True, lines=2 * JOB_LINES, whole=True),
)
# Lines of every second job: one that counts more rows than it gives is read again and again.
_DROPPED: Final = [f"r{line:010d}" for line in (61, 77, 119, 180, 230)]
_ROWS: Final = {"shuffle": True, "drop": _DROPPED, "duplicate": 0.04, "expire": 0.02}
_FAIL: Final = {"400": 0.03, "429": 0.02, "500": 0.02}
BEHAVIOURS: Final[Mapping[str, dict[str, Any]]] = {
    "openai": {
        "phases": _PHASES,
        "rows": {**_ROWS, "fail": _FAIL},
        "seed": 1,
        "list_lag": 0.6,
        "models": [MODEL],
        "fates": [{"outcome": "expired", "share": 0.5, "jobs": list(range(6, 2_000, 9))}],
    },
    "azure": {
        "phases": _PHASES,
        "rows": {**_ROWS, "fail": _FAIL},
        "seed": 2,
        "pending_polls": 1,
        "list_lag": 0.3,
        "models": [MODEL],
        # Two jobs of sixty lines and a little.
        "enqueued_tokens": 32_000,
        "token_limit": "job",
        "fates": [{"outcome": "failed", "share": 0.4, "jobs": list(range(5, 2_000, 11))}],
    },
    "together": {
        "phases": _PHASES,
        "rows": {**_ROWS, "fail": _FAIL, "echo": "upper"},
        "seed": 3,
        "list_lag": 0.3,
    },
    # Has its files in a bucket, and its jobs' names from us.
    "vertex": {
        "phases": _PHASES,
        "rows": {"shuffle": True, "drop": _DROPPED, "duplicate": 0.04, "fail": _FAIL},
        "seed": 5,
        "list_lag": 0.6,
        "fates": [{"outcome": "expired", "share": 0.5, "jobs": list(range(6, 2_000, 9))}],
    },
    # Creates a job once for a token, and removes none.
    "bedrock": {
        "phases": _PHASES,
        "rows": {"shuffle": True, "drop": _DROPPED, "duplicate": 0.04, "fail": _FAIL},
        "seed": 6,
        "list_lag": 0.6,
        "fates": [{"outcome": "expired", "share": 0.5, "jobs": list(range(6, 2_000, 9))}],
    },
    # Shares nothing with the others' wire.
    "toy": {
        "phases": _PHASES,
        "rows": {**_ROWS, "fail": _FAIL},
        "seed": 4,
        "list_lag": 0.3,
        "fates": [{"outcome": "expired", "share": 0.5, "jobs": list(range(4, 2_000, 9))}],
    },
}


def behaviour(vendor: str) -> Behaviour:
    """How a vendor's fake treats lines, to work out what becomes of each."""
    return parse(BEHAVIOURS[vendor])


class NativeArena:
    """Everything that a campaign of kills of native batches needs, below one directory."""

    def __init__(
        self, root: Path, *, fakes: Mapping[str, Fake], accounts: Sequence[Account]
    ) -> None:
        self.accounts = accounts
        self.root = root
        self.data = root / "data"
        self.fakes = fakes
        self.port = free_port()
        self.configure()
        self.server = Server(
            config=root / "batchway.yaml",
            data=self.data,
            port=self.port,
            log=root / "server.log",
        )
        self.client = Client(port=self.port, key="key-0123456789-blue")

    def configure(self, *, suffix: str = "") -> None:
        """Write the configuration; with a suffix the providers have other names."""
        native = {
            **{"poll_min": 0.1, "poll_max": 1, "settle": _SETTLE_SECONDS, "lateness": 20},
            **{"cancel_patience": 20},
        }
        providers: list[dict[str, Any]] = [
            {
                "name": account.name + suffix,
                **_called(self.fakes[account.vendor], self.root),
                "mode": "auto" if account.rescue else "native",
                "native": {**native, "max_lines": account.lines},
                "limits": {"concurrency": 20, "timeout": 3, "max_attempts": 30},
            }
            for account in self.accounts
        ]
        config = {
            "auth": {"keys": [{"name": "blue", "tenant": "blue", "key": "key-0123456789-blue"}]},
            "providers": providers,
            "execution": {"commit_interval": 0.3, "drain_timeout": 5},
        }
        # JSON is YAML.
        (self.root / "batchway.yaml").write_text(json.dumps(config))

    @property
    def spool(self) -> Path:
        """Where encoded inputs lie while they are brought to a provider."""
        return self.data / "spool"

    def look(self) -> Site:
        """What is on disk; no server may be running."""
        return look(self.data, self.root / "scratch")

    def trouble(self, vendor: str, *first: Rule) -> None:
        """Let some rules come before the everyday ones of a vendor."""
        self.fakes[vendor].trouble(*first, *_TROUBLE)

    def calm(self) -> None:
        """Let all go well, and every job that is held go on."""
        for fake in self.fakes.values():
            fake.trouble()
            fake.control(enqueued_tokens=None, hold=[])


def _called(fake: Fake, root: Path) -> dict[str, Any]:
    """How a provider's configuration says where it is, and as whom it is called."""
    if isinstance(fake, vertex_fake.VertexFake):
        key = root / "vertex.key.json"
        if not key.exists():
            fake.google.key_file(key, project=vertex_fake.PROJECT)
        return {
            "type": "google-vertex",
            "project": vertex_fake.PROJECT,
            "bucket": vertex_fake.BUCKET,
            "credentials_file": str(key),
            "base_url": fake.base_url,
            "storage_url": fake.base_url,
            "models": {MODEL: "gemini"},
        }
    if isinstance(fake, bedrock_fake.BedrockFake):
        keys = fake.aws.keys
        return {
            "type": "aws-bedrock",
            "region": bedrock_fake.REGION,
            "bucket": fake.bucket,
            "role_arn": bedrock_fake.ROLE,
            "access_key_id": keys.id,
            "secret_access_key": keys.secret,
            "base_url": fake.aws.url,
            "runtime_url": fake.aws.url,
            "s3_url": fake.aws.s3_url,
            "models": {MODEL: "nova"},
        }
    if fake.vendor == "toy":
        options = {"url": fake.base_url, "key": toy_server.KEY}
        return {"type": "python", "class": "tests.toy.account:ToyAccount", "options": options}
    kind = {"openai": "openai", "azure": "azure-openai", "together": "together"}[fake.vendor]
    address = "endpoint" if fake.vendor == "azure" else "base_url"
    return {"type": kind, address: fake.base_url, "api_key": "sk-chaos"}


def _process(vendor: str, dials: Mapping[str, Any]) -> AbstractContextManager[Fake]:
    if vendor == "vertex":
        return vertex_fake.process(**dials)
    if vendor == "bedrock":
        return bedrock_fake.process(min_records=100, families={MODEL: "nova"}, **dials)
    return toy.process(least=10, **dials) if vendor == "toy" else process(vendor, **dials)


@contextmanager
def native_arena(root: Path, accounts: Sequence[Account] = ACCOUNTS) -> Generator[NativeArena]:
    """An arena with its fakes running; nothing of it runs afterwards."""
    with ExitStack() as stack:
        fakes = {
            vendor: stack.enter_context(_process(vendor, BEHAVIOURS[vendor]))
            for vendor in dict.fromkeys(account.vendor for account in accounts)
        }
        made = NativeArena(root, fakes=fakes, accounts=accounts)
        for vendor in fakes:
            made.trouble(vendor)
        try:
            yield made
        finally:
            made.server.kill()
