"""One server over one data directory, the provider it calls, and its clients.

Owns construction, configuration and the end of every process. Decides nothing.
"""

import json
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.client import Client
from tests.chaos.payments import Payments
from tests.chaos.processes import Server, Simulator, free_port
from tests.chaos.site import Site, look

TENANTS = ("blue", "green")
WIDE = 40  # requests at once, of each provider that is not the narrow one
COMMIT_SECONDS = 1.0
# A result waits for the flush that runs, then for the interval, then for its own flush.
WASTE_WINDOW = COMMIT_SECONDS + 0.6

TROUBLE: Mapping[str, str | float] = {
    "latency": "lognormal:0.12,0.5",
    # Few 429s and 503s: each makes the whole gate pause, and a batch must end within seconds.
    "status_rates": "500=0.03,502=0.01,503=0.003,429=0.006,408=0.005,409=0.005",
    "retry_after": 0.1,
    "reset_rate": 0.01,
    "truncate_rate": 0.01,
    "garbage_rate": 0.01,
    "html_rate": 0.01,
    "slow_body_rate": 0.02,
    "slow_body_delay": 0.02,
    "hang_rate": 0.002,
}


class Arena:
    """Everything that a campaign of kills needs, below one directory."""

    def __init__(self, root: Path, *, simulator: Simulator) -> None:
        self.root = root
        self.data = root / "data"
        self.simulator = simulator
        self.port = free_port()
        self.configure(narrow=1)
        self.server = self.another_server()
        self.clients = {
            name: Client(port=self.port, key=f"key-0123456789-{name}") for name in TENANTS
        }
        self.payments = Payments(simulator=simulator, window=WASTE_WINDOW)

    def configure(self, *, narrow: int, suffix: str = "") -> None:
        """Write the configuration of the next start. With a suffix every provider is renamed."""
        limits = {"timeout": 3, "max_attempts": 30}
        providers: list[dict[str, Any]] = [
            {"name": f"steady{suffix}", "limits": {**limits, "concurrency": WIDE}},
            {
                "name": f"auto{suffix}",
                "limits": {**limits, "concurrency": "auto", "max_concurrency": WIDE},
            },
            {"name": f"narrow{suffix}", "limits": {**limits, "concurrency": narrow}},
        ]
        either = [
            {"provider": f"steady{suffix}", "model": "gpt-4o-mini", "weight": 9},
            {"provider": f"auto{suffix}", "model": "gpt-4o-mini"},
        ]
        config = {
            "auth": {
                "keys": [{"name": n, "tenant": n, "key": f"key-0123456789-{n}"} for n in TENANTS]
            },
            "providers": [
                {"type": "openai-compatible", "base_url": self.simulator.url, **provider}
                for provider in providers
            ],
            "routes": [{"model": "either", "targets": either}],
            "execution": {"commit_interval": COMMIT_SECONDS, "drain_timeout": 5},
        }
        # JSON is YAML.
        (self.root / "batchway.yaml").write_text(json.dumps(config))

    def another_server(self, *, port: int | None = None, name: str = "server") -> Server:
        """A server on the same data directory; it is the caller's to end."""
        return Server(
            config=self.root / "batchway.yaml",
            data=self.data,
            port=port or self.port,
            log=self.root / f"{name}.log",
        )

    def account_goes_bad(self, how: str) -> None:
        """The provider's key is revoked, or its credit is gone."""
        if how == "key":
            self.simulator.dial(api_key="another")
        else:
            # Of the requests that no other trouble befalls, all.
            others = sum(float(rate) for dial, rate in TROUBLE.items() if dial.endswith("_rate"))
            self.simulator.dial(status_rates={"402": 1.0 - others})

    def account_is_well(self) -> None:
        """Key and credit are back."""
        rates = dict(part.split("=") for part in str(TROUBLE["status_rates"]).split(","))
        self.simulator.dial(
            api_key=None, status_rates={status: float(rate) for status, rate in rates.items()}
        )

    def look(self) -> Site:
        """What is on disk; no server may be running."""
        return look(self.data, self.root / "scratch")

    def kill(self) -> float:
        """`kill -9` the server; the monotonic time at which it died."""
        at = time.monotonic()
        self.server.kill()
        return at


@contextmanager
def arena(root: Path, dials: Mapping[str, str | float] = TROUBLE) -> Generator[Arena]:
    """An arena with its simulator running; nothing of it runs afterwards."""
    simulator = Simulator(log=root / "simulator.log", **dials)
    simulator.start()
    try:
        made = Arena(root, simulator=simulator)
        made.payments.start()
        try:
            yield made
        finally:
            made.server.kill()
            made.payments.stop()
    finally:
        simulator.kill()
