"""`make bench`: the figures that the README quotes, in one run, into `bench/results/`.

    .venv/bin/python -m bench [--quick] [NAME ...]

Figures of one run are ratios within that run: the machine may be shared, and what is compared is
measured in turns. `--quick` runs a tenth of the lines, to see that everything works.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bench import auto as bench_auto
from bench.clouds import clouds
from bench.dialects import dialects
from bench.figures import Figure, Table
from bench.goals import COMMAND, Goal, publish
from bench.inputs import chat_file
from bench.managed import ideal, memory, polling, throughput, upload
from bench.native import NativeRun, run_native
from bench.signing import signing
from bench.small import CONNECTIONS, LINES, UPLOADS, SmallRun, postgres, run_idle, run_small


def native(scale: float) -> list[Goal]:
    """Lines/s and memory of a native batch, the way out and the way back apart."""
    lines = int(1_000_000 * scale)
    run = run_native(chat_file(lines), lines)
    figures: list[Figure] = []
    for way in (run.validating, run.out, run.back):
        for at, seconds in (("by CPU time", way.cpu_seconds), ("by the clock", way.seconds)):
            figures.append(Figure(series=way.name, at=at, value=lines / seconds, unit="lines/s"))
    out, back = lines / run.out.cpu_seconds, lines / run.back.cpu_seconds
    most = run.memory.rss / 1e6
    publish(
        Table(
            name="native",
            title="Lines/s of a native batch, each way, on one core",
            command=COMMAND,
            figures=tuple(figures),
            notes=_native_notes(run, lines, most),
        )
    )
    return [
        Goal(what="native lines/s out", goal="at least 30,000", got=out, met=out >= 30_000),
        Goal(what="native lines/s back", goal="at least 30,000", got=back, met=back >= 30_000),
        Goal(what="native memory, MB", goal="under 250", got=most, met=most < 250),
    ]


def auto(scale: float) -> list[Goal]:
    """Times of `concurrency: auto` beside the best fixed number, at models of engines."""
    seeds = int(200 * scale)
    outcomes = bench_auto.measure(seeds=seeds)
    figures: list[Figure] = []
    goals: list[Goal] = []
    for each in outcomes:
        size = f"{each.lines:,}"
        bound = 1.1 if each.lines > 5_000 else 1.2
        cells = [
            (f"best fixed, {size}", float(each.best)),
            (f"median, {size}", each.median),
            (f"95 %, {size}", each.high),
            (f"worst, {size}", each.worst),
        ]
        goals += [
            _at_most(f"auto, {each.case}, {size} lines, median", each.median, bound),
            _at_most(f"auto, {each.case}, {size} lines, worst", each.worst, 1.35),
        ]
        if each.rate is not None:
            cells.append((f"rate when warm, {size}", each.rate))
            what = f"auto, {each.case}, {size} lines, rate after 10 s"
            met = each.rate >= 0.95
            goals.append(Goal(what=what, goal="at least 0.95", got=each.rate, met=met))
        figures += [Figure(series=each.case, at=at, value=value, unit="") for at, value in cells]
    table = Table(
        name="auto",
        title="Time of a cold `concurrency: auto`, of that of the best fixed number",
        command="python -m bench auto",
        figures=tuple(figures),
        notes=(
            f"{seeds} seeds each, in virtual time: `bench/engine_runs.py` over the models of "
            "`simulator/online/engine_model.py`. The best fixed number comes from a sweep.",
            "Goals: median at most 1.2 for 3,000 lines and 1.1 for 7,500; worst seed at most 1.35; "
            "rate after 10 s at least 0.95 of the best (median), as long as the engine is full: "
            "what is in flight when the last line is sent runs ever faster and is left out. 3,000 "
            "lines at the H200 or the CPU have no such time.",
            "Missed: "
            + (
                "; ".join(f"{goal.what}: {goal.got:.3g}" for goal in goals if not goal.met)
                or "none"
            ),
        ),
    )
    table.write()
    ratios = [figure for figure in figures if figure.at.startswith(("median", "worst"))]
    replace(table, figures=tuple(ratios)).plot()
    print(table.markdown(), flush=True)
    return goals


def _at_most(what: str, got: float, bound: float) -> Goal:
    return Goal(what=what, goal=f"at most {bound:g}", got=got, met=got <= bound)


def _native_notes(run: NativeRun, lines: int, most: float) -> tuple[str, ...]:
    return (
        f"{lines:,} lines of about 1 KB as {run.jobs} jobs of at most 50,000 lines, at a fake of "
        "OpenAI's batch API that is a process of its own and answers each line with the same "
        f"{run.row_bytes} bytes.",
        "CPU time is that of all processes and threads of the server, user and system: lines by a "
        "second of it is what one core does. The clock also counts waiting for the disk and for "
        "the fake, which shares the machine's cores.",
        "Validating: from create to in_progress; every line is checked and the jobs are planned.",
        "Out: from in_progress until the provider has created the last job; lines are read again, "
        "written in its format to a file, and uploaded.",
        "Back: from the moment at which all results are there until the batch is completed; "
        "results are downloaded, decoded, joined with their lines, committed as segments, merged "
        f"into one output file in input order ({run.finalizing.cpu_seconds:.1f} s of its "
        f"{run.back.cpu_seconds:.1f} s of CPU), and removed at the provider.",
        f"Goals: at least 30,000 lines/s each way by CPU time. Peak memory of the server, upload "
        f"included: {most:.0f} MB RSS, {run.memory.pss / 1e6:.0f} MB PSS (goal: under 250 MB).",
    )


def small(scale: float) -> list[Goal]:
    """Batches/s of many small ones at once; creating and polling meanwhile; both databases."""
    batches = int(1_000 * scale)
    runs = {"SQLite": run_small(batches)}
    with postgres() as url:
        runs["PostgreSQL"] = run_small(batches, database=url)
    figures: list[Figure] = []
    goals: list[Goal] = []
    for name, run in runs.items():
        for at, value, unit in (
            ("batches", run.batches_per_second, "/s"),
            ("turnaround p50", run.turnaround_p50, "s"),
            ("POST", run.creates_per_second, "/s"),
            ("POST p50", run.create_p50 * 1e3, "ms"),
            ("POST p99", run.create_p99 * 1e3, "ms"),
            ("GET p50", run.poll_p50 * 1e3, "ms"),
            ("GET p99", run.poll_p99 * 1e3, "ms"),
        ):
            figures.append(Figure(series=name, at=at, value=value, unit=unit))
        goals += _small_goals(name, run)
    publish(
        Table(
            name="small",
            title=f"{batches:,} batches of {LINES} lines at once",
            command=COMMAND,
            figures=tuple(figures),
            notes=(
                f"Batches are created over {CONNECTIONS} connections as fast as the server answers "
                "them, and run meanwhile; the oldest that has not ended is polled every 10 ms. "
                "Client (a process of its own), server and upstream share the machine's cores.",
                "Batches/s counts from the first create until the last has completed, seen by GET.",
                "First in, first out within the tenant: no batch began more than "
                f"{max(run.overtaken for run in runs.values())} s (times are whole seconds) before "
                "one that was created earlier.",
                "Goals: 60 batches/s; POST 300/s with p99 under 150 ms; GET p99 under 30 ms.",
            ),
        )
    )
    return goals


def _small_goals(name: str, run: SmallRun) -> list[Goal]:
    posts, p99, gets = run.creates_per_second, run.create_p99 * 1e3, run.poll_p99 * 1e3
    many = run.batches_per_second
    return [
        Goal(what=f"{name}: small batches/s", goal="at least 60", got=many, met=many >= 60),
        Goal(what=f"{name}: POST /batches/s", goal="at least 300", got=posts, met=posts >= 300),
        Goal(what=f"{name}: POST p99, ms", goal="under 150", got=p99, met=p99 < 150),
        Goal(what=f"{name}: GET p99, ms", goal="under 30", got=gets, met=gets < 30),
        Goal(
            what=f"{name}: seconds overtaken",
            goal="at most 1",
            got=run.overtaken,
            met=run.overtaken <= 1,
        ),
    ]


def idle(_scale: float) -> list[Goal]:
    """Start, idle memory, and what is given back after many uploads at once."""
    run = run_idle()
    figures: list[Figure] = []
    for at, held in (("idle", run.idle), ("during", run.most), ("20 s after", run.after)):
        for series, value in (("PSS", held.pss), ("RSS", held.rss)):
            figures.append(Figure(series=series, at=at, value=value / 1e6, unit="MB"))
    rss, kept = run.idle.rss / 1e6, run.after.rss / run.idle.rss
    publish(
        Table(
            name="idle",
            title=f"Memory of an idle server, before and after {UPLOADS} uploads at once",
            command=COMMAND,
            figures=tuple(figures),
            notes=(
                f"From the command to the first answer, on an empty directory: {run.start:.2f} s "
                "(goal: under 2 s).",
                f"Every process of the server. Idle: {rss:.0f} MB RSS (goal: under 120 MB).",
                f"Uploads of {run.upload_bytes / 1e6:.0f} MB each; afterwards RSS is {kept:.2f} "
                "times idle (goal: at most 1.3).",
            ),
        )
    )
    return [
        Goal(what="start to first answer, s", goal="under 2", got=run.start, met=run.start < 2),
        Goal(what="idle memory, MB", goal="under 120", got=rss, met=rss < 120),
        Goal(what="memory after uploads, of idle", goal="at most 1.3", got=kept, met=kept <= 1.3),
    ]


BENCHMARKS: Final[dict[str, Callable[[float], list[Goal]]]] = {
    "throughput": throughput,
    "ideal": ideal,
    "memory": memory,
    "polling": polling,
    "upload": upload,
    "native": native,
    "clouds": clouds,
    "signing": signing,
    "dialects": dialects,
    "auto": auto,
    "small": small,
    "idle": idle,
}


def main() -> None:
    """Run what was named, by default everything, and say which goals were met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="a tenth of the lines")
    arguments = parser.parse_args()
    goals: list[Goal] = []
    for name in arguments.names or BENCHMARKS:
        goals += BENCHMARKS[name](0.1 if arguments.quick else 1.0)
    for goal in goals:
        print(goal)


if __name__ == "__main__":
    main()
