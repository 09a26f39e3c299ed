"""A file of 200 MB through the native path at Vertex AI and at AWS Bedrock, beside OpenAI.

    .venv/bin/python -m bench clouds

Five runs in one go: the plain lines on three wires, and at both clouds a file whose lines have
tools and schemas too. Owns what is compared and the goals; a run and its phases are
`bench.native`'s.
"""

from dataclasses import dataclass
from typing import Final

from bench.figures import Figure, Table
from bench.goals import COMMAND, Goal, publish
from bench.inputs import chat_file
from bench.native import NativeRun, Phase, run_bedrock, run_native, run_vertex
from bench.wires import mixed_file

_LINES: Final = 200_000  # of 990 bytes: 200 MB
_GEMINI: Final = "gemini-2.5-flash"
_CLAUDE: Final = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
_MOST_MEMORY: Final = 250
# What a known rival is said to do on this path.
_RIVAL_OUT: Final = 17_700
_RIVAL_BACK: Final = 7_500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A run of one file of `size` bytes."""

    name: str
    run: NativeRun
    size: int


def clouds(scale: float) -> list[Goal]:
    """Lines/s each way and memory of a native batch at two clouds, and their ratio to OpenAI's."""
    lines = int(_LINES * scale)
    files = {
        "Gemini": (chat_file(lines, model=_GEMINI), mixed_file(lines, model=_GEMINI)),
        "Claude": (chat_file(lines, model=_CLAUDE), mixed_file(lines, model=_CLAUDE)),
    }
    rows = [
        _Row(name=name, run=run(path, lines), size=path.stat().st_size)
        for name, run, path in (
            ("OpenAI", run_native, files["Gemini"][0]),
            ("Vertex AI, Gemini", run_vertex, files["Gemini"][0]),
            ("Vertex AI, tools and schemas", run_vertex, files["Gemini"][1]),
            ("Bedrock, Claude", run_bedrock, files["Claude"][0]),
            ("Bedrock, tools and schemas", run_bedrock, files["Claude"][1]),
        )
    ]
    figures: list[Figure] = []
    goals: list[Goal] = []
    for row in rows:
        out, back = _on_a_core(lines, row.run.out), _on_a_core(lines, row.run.back)
        for at, value, unit in (
            ("validating", _on_a_core(lines, row.run.validating), "lines/s"),
            ("out", out, "lines/s"),
            ("back", back, "lines/s"),
            ("out, by the clock", lines / row.run.out.seconds, "lines/s"),
            ("back, by the clock", lines / row.run.back.seconds, "lines/s"),
            ("peak RSS", row.run.memory.rss / 1e6, "MB"),
            ("peak PSS", row.run.memory.pss / 1e6, "MB"),
        ):
            figures.append(Figure(series=row.name, at=at, value=value, unit=unit))
        if row is not rows[0]:
            goals += [
                _over(f"{row.name}: lines/s out", out, _RIVAL_OUT),
                _over(f"{row.name}: lines/s back", back, _RIVAL_BACK),
                Goal(
                    what=f"{row.name}: memory, MB",
                    goal=f"under {_MOST_MEMORY}",
                    got=row.run.memory.rss / 1e6,
                    met=row.run.memory.rss < _MOST_MEMORY * 1e6,
                ),
            ]
    table = Table(
        name="clouds",
        title="A native batch of 200 MB at Vertex AI and Bedrock: lines/s each way, and memory",
        command=COMMAND,
        figures=tuple(figures),
        notes=_notes(rows, lines),
    )
    publish(table)
    return goals


def _notes(rows: list[_Row], lines: int) -> tuple[str, ...]:
    openai, gemini, mixed, *_ = rows
    sent_back = ", ".join(f"{row.run.row_bytes:,} ({row.name})" for row in rows[1:])
    merging = ", ".join(
        f"{row.run.finalizing.cpu_seconds:.1f} of {row.run.back.cpu_seconds:.1f} s ({row.name})"
        for row in rows[1:]
    )
    ratios = "; ".join(
        f"{row.name} {_ratio(openai.run.out, row.run.out)} out and "
        f"{_ratio(openai.run.back, row.run.back)} back"
        for row in rows[1:]
    )
    return (
        f"{lines:,} lines in each file: {gemini.size / 1e6:,.0f} MB of chat, sent on every wire, "
        f"and {mixed.size / 1e6:,.0f} MB of which a third is plain, a third has two tools and a "
        "third a strict schema, and each a `user`. "
        "The fakes are processes of their own (Bedrock's has moto's S3 within) and answer each "
        f"line with the same words: rows of {openai.run.row_bytes:,} bytes at OpenAI; both clouds "
        f"send the request back in each: {sent_back}. {_jobs(rows)}.",
        "Lines/s are by CPU time of all processes and threads of the server, where not said "
        "otherwise: the fakes share the machine's cores, and by the clock both wait for them.",
        "Validating: from create to in_progress. Out: until the provider runs the last job; lines "
        "are read again, encoded, spooled and uploaded. Back: until the batch is completed; rows "
        "are downloaded, decoded, joined with their lines, committed, and merged into one file "
        f"({merging} of CPU).",
        f"Of OpenAI's lines/s: {ratios}.",
        f"Goals: RSS of every process of the server, upload included, under {_MOST_MEMORY} MB; "
        f"more than the {_RIVAL_OUT:,} lines/s out and {_RIVAL_BACK:,} back of a known rival.",
    )


def _jobs(rows: list[_Row]) -> str:
    return "Jobs: " + ", ".join(f"{row.run.jobs} ({row.name})" for row in rows)


def _ratio(base: Phase, other: Phase) -> str:
    return f"{base.cpu_seconds / other.cpu_seconds:.2f}"


def _on_a_core(lines: int, phase: Phase) -> float:
    return lines / phase.cpu_seconds


def _over(what: str, got: float, bound: int) -> Goal:
    return Goal(what=what, goal=f"over {bound:,}", got=got, met=got > bound)
