"""What is said when a run has ended, and its exit code."""

import json
from typing import TYPE_CHECKING, Any, Final

from batchway.cli.causes import Cause, causes_of, told
from batchway.cli.console import count, note, printable, say
from batchway.cli.inputs import Lines
from batchway.cli.left_out import sentence
from batchway.cli.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchway.bootstrap.run import RunResult
    from batchway.domain.batch import BatchError

_UNSAID: Final = "unsupported_parameter"
_RETRY: Final = "`batchway retry` with the same arguments runs the failed lines again."
_SHOWN: Final = 20  # problems of a file that a failed run lists


def conclude(result: "RunResult", lines: Lines, *, as_json: bool, quiet: bool) -> int:
    """Tell how it ended; `quiet` when standard output holds the results. The exit code."""
    tell = note if quiet else say
    batch, counts = result.batch, result.batch.counts
    missing = counts.total - counts.completed - counts.failed
    failed = [] if result.errors is None else causes_of(result.errors, lines.path)
    if as_json:
        say(json.dumps(_summary(result, failed), indent=2))
    if batch.errors is not None and not counts.total:
        _tell_problems(batch.errors, lines)
        return 1
    for problem in batch.errors or ():
        note(f"Error: {printable(problem.message)}")
    if batch.status_details:
        note(printable(batch.status_details))
    warnings = sentence(batch.warnings)
    if warnings is not None:
        note(warnings)
    for line in told(failed):
        note(line)
    if not as_json:
        tell(_sum(result, missing))
        if result.output is not None and not quiet:
            say(f"Results: {result.output}")
        if result.errors is not None:
            tell(f"Errors: {result.errors}")
    if result.errors is not None and not quiet:
        note(what_next(failed))
    return 3 if counts.failed or missing else 0


def what_next(failed: list[Cause]) -> str:
    """What can be done about failed lines: those that cannot be asked for in a job stay so."""
    unsaid = sum(cause.count for cause in failed if cause.what == _UNSAID)
    if not unsaid:
        return _RETRY
    stays = (
        f"Lines with {_UNSAID} fail again in jobs: change them, or set the provider's `mode` to "
        "`auto`, which sends such lines one by one."
    )
    if unsaid == sum(cause.count for cause in failed):
        return f"{stays} Then `batchway retry` with the same arguments runs them."
    return f"{_RETRY} {stays}"


def _tell_problems(problems: "Sequence[BatchError]", lines: Lines) -> None:
    shown = Problems(problems, most=_SHOWN)
    for text in shown.told(lines.name):
        note(text)
    if shown.left_out:
        note(f"... and {shown.left_out:,} more; `batchway check {lines.name}` prints all.")
    note(f"Error: {lines.name} cannot be run: nothing was sent.")


def _sum(result: "RunResult", missing: int) -> str:
    batch, counts = result.batch, result.batch.counts
    parts = [f"{counts.completed:,} of {count(counts.total, 'line')} completed"]
    if counts.failed:
        parts.append(f"{counts.failed:,} failed")
    if missing:
        parts.append(f"{missing:,} not run ({batch.status})")
    if batch.usage.total_tokens:
        parts.append(f"{batch.usage.total_tokens:,} tokens")
    if result.earlier:
        parts.append(f"{count(result.earlier, 'line')} done earlier")
    return ", ".join(parts) + "."


def _summary(result: "RunResult", failed: list[Cause]) -> dict[str, Any]:
    batch, counts = result.batch, result.batch.counts
    usage = batch.usage
    return {
        "status": str(batch.status),
        "lines": counts.total,
        "completed": counts.completed,
        "failed": counts.failed,
        "not_run": counts.total - counts.completed - counts.failed,
        "done_earlier": result.earlier,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "output": None if result.output is None else str(result.output),
        "errors": None if result.errors is None else str(result.errors),
        "details": batch.status_details,
        "warnings": dict(batch.warnings),
        "run_online": [{"lines": each.lines, "reason": each.reason} for each in batch.run_online],
        "problems": [
            {"line": each.line, "code": each.code, "message": each.message}
            for each in batch.errors or ()
        ],
        "causes": [cause.as_json() for cause in failed],
    }
