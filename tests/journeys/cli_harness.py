"""How a command ended, as one value to compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.processes import run_batchway


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


def batchway(*arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end."""
    done = run_batchway(*map(str, arguments), cwd=cwd, env=environ, within=120)
    return Ended(code=done.returncode, out=done.stdout, err=done.stderr)
