"""The filter of the list of jobs: AIP-160 as far as the method says that it understands it.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs/list
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from batchway.simulator.google.refusals import Refused
from batchway.simulator.google.state import Job

_TERM: Final = re.compile(
    r"(NOT\s+)?(display_name|displayName|state|create_time|createTime|labels\.[\w-]+)\s*"
    r'(=|!=|<=|>=|<|>|:)\s*(?:"((?:[^"\\]|\\.)*)"|(\S+))'
)

Fits = Callable[[Job, str], bool]


def wanted(text: str) -> Fits:
    """Whether a job, in the state that is shown of it, fits. Raises `Refused`: no such filter."""
    if not text.strip():
        return lambda job, state: True
    choices = [
        [_term(term) for term in re.split(r"\s+AND\s+", choice)]
        for choice in re.split(r"\s+OR\s+", text.strip())
    ]
    return lambda job, state: any(all(fits(job, state) for fits in terms) for terms in choices)


def _term(text: str) -> Fits:
    found = _TERM.fullmatch(text.strip())
    if found is None:
        raise Refused(400, "Invalid filter: it is not understood.")
    negated, name, operator = bool(found[1]), found[2], found[3]
    value = found[5] if found[4] is None else re.sub(r"\\(.)", r"\1", found[4])

    def fits(job: Job, state: str) -> bool:
        return _compared(_value(job, state, name), operator, value) != negated

    return fits


def _value(job: Job, state: str, name: str) -> str | float | None:
    match name:
        case "state":
            return f"JOB_STATE_{state}"
        case "create_time" | "createTime":
            return job.created
        case "display_name" | "displayName":
            return job.display_name
        case _:
            return (job.request.get("labels") or {}).get(name.removeprefix("labels."))


def _compared(actual: str | float | None, operator: str, value: str) -> bool:
    if actual is None:
        return False
    if not isinstance(actual, str):
        other = datetime.fromisoformat(value).timestamp()
        return {
            "=": actual == other,
            "!=": actual != other,
            "<": actual < other,
            "<=": actual <= other,
            ">": actual > other,
            ">=": actual >= other,
        }.get(operator, False)
    if operator == ":":
        pattern = ".*".join(map(re.escape, value.split("*")))
        return re.fullmatch(pattern, actual) is not None
    if operator not in ("=", "!="):
        raise Refused(400, f"Invalid filter: {operator} does not compare texts.")
    return (actual == value) == (operator == "=")
