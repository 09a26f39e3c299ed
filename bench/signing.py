"""Managed batches at AWS Bedrock, signed, beside the same lines at an OpenAI-compatible account.

    .venv/bin/python -m bench signing

All runs, in turns, have the same upstream, which answers each in its own wire and looks at no
signature: what differs is what this product does for a line. Owns what is compared and the goal;
the server and its measuring are `bench.served`'s.
"""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import psutil
from bench.figures import Figure, Table
from bench.goals import COMMAND, Goal, publish
from bench.inputs import MODEL, chat_file
from bench.served import Served, online
from bench.upstream import Upstream

_IN_FLIGHT: Final = 256
_ROUNDS: Final = 3
_WARM: Final = 2_000
_LEAST: Final = 0.7
_COMPATIBLE: Final = "OpenAI-compatible"
# The families that differ most in what a line costs: a body that is OpenAI's own, one that is
# Anthropic's, and Converse's.
_MODELS: Final = {
    "Bedrock, gpt-oss": "openai.gpt-oss-120b-1:0",
    "Bedrock, Claude": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "Bedrock, Converse": "us.meta.llama3-3-70b-instruct-v1:0",
}


@dataclass(slots=True, kw_only=True)
class _Account:
    """A server with one account, the model that its lines name, and its runs so far."""

    server: Served
    model: str
    by_clock: list[float] = field(default_factory=list[float])
    by_cpu: list[float] = field(default_factory=list[float])

    def run(self, lines: int) -> None:
        """Run a batch of so many lines, and keep lines/s, by the clock and by CPU time."""
        before = self._spent()
        run = self.server.run(chat_file(lines, model=self.model), lines)
        self.by_clock.append(run.lines_per_second)
        self.by_cpu.append(lines / (self._spent() - before))

    def _spent(self) -> float:
        root = psutil.Process(self.server.pid)
        times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
        return sum(spent.user + spent.system for spent in times)


def signing(scale: float) -> list[Goal]:
    """Lines/s of managed batches at Bedrock, of those at an OpenAI-compatible account."""
    lines = int(50_000 * scale)
    with ExitStack() as stack:
        url = stack.enter_context(Upstream())
        accounts = {
            _COMPATIBLE: _Account(
                server=stack.enter_context(Served(online(url, concurrency=_IN_FLIGHT))),
                model=MODEL,
            ),
            **{
                name: _Account(server=stack.enter_context(Served(_bedrock(url))), model=model)
                for name, model in _MODELS.items()
            },
        }
        for account in accounts.values():
            account.server.run(chat_file(_WARM, model=account.model), _WARM)
        for _ in range(_ROUNDS):
            for account in accounts.values():
                account.run(lines)
    return _told(accounts, lines)


def _bedrock(url: str) -> dict[str, Any]:
    return {
        "name": "upstream",
        "type": "aws-bedrock",
        "region": "us-east-1",
        "access_key_id": "AKIABENCHMARK0000000",
        "secret_access_key": "secret-of-the-benchmark",
        "runtime_url": url,
        "mode": "managed",
        "limits": {"concurrency": _IN_FLIGHT},
    }


def _told(accounts: dict[str, _Account], lines: int) -> list[Goal]:
    base = accounts[_COMPATIBLE]
    figures: list[Figure] = []
    goals: list[Goal] = []
    for name, account in accounts.items():
        ratio = _ratio(account.by_cpu, base.by_cpu)
        for at, runs in (
            ("lines/s, by the clock", account.by_clock),
            ("lines/s, by CPU time", account.by_cpu),
        ):
            value = statistics.median(runs)
            figures.append(Figure(series=name, at=at, value=value, unit="", runs=tuple(runs)))
        for at, value in (
            ("of OpenAI-compatible, by the clock", _ratio(account.by_clock, base.by_clock)),
            ("of OpenAI-compatible, by CPU time", ratio),
        ):
            figures.append(Figure(series=name, at=at, value=value, unit=""))
        if account is not base:
            what = f"{name}: managed lines/s, of OpenAI-compatible"
            met = ratio >= _LEAST
            goals.append(Goal(what=what, goal=f"at least {_LEAST}", got=ratio, met=met))
    publish(
        Table(
            name="signing",
            title="Managed lines/s at AWS Bedrock, signed, beside an OpenAI-compatible account",
            command=COMMAND,
            figures=tuple(figures),
            notes=(
                f"{lines:,} lines of about 1 KB, {_IN_FLIGHT} in flight, a server each; medians of "
                f"{_ROUNDS} rounds, all accounts in turns. A ratio is that of neighbours.",
                "One upstream for all, `bench/upstream.c`, answers in the wire that is asked for, "
                "with the same words. Client, servers and upstream share the machine's cores.",
                "Every body at Bedrock is signed (SigV4) over its bytes, and translated both "
                "ways; gpt-oss gets OpenAI's body, Claude Anthropic's, Llama Converse's.",
                "CPU time is that of all processes and threads of the server, from upload to "
                "output. The goal is judged by it: by the clock, whatever else the machine does "
                f"falls on one account of a round and not on another. Goal: at least {_LEAST}.",
            ),
        )
    )
    return goals


def _ratio(own: Sequence[float], base: Sequence[float]) -> float:
    """Of neighbours in turn, so that what else the machine does falls on both."""
    return statistics.median(mine / other for mine, other in zip(own, base, strict=True))
