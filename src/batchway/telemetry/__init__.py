"""What Batchway says about itself: log lines and metrics. Never bodies, prompts or keys.

    log      formats, levels, and events: one line for each change of state, with its ids
    sparse   a flood of equal lines told as a few and a number
    metrics  what `/metrics` shows

Imports nothing that is slow to load: services log, and `batchway keys` must answer at once.
"""

from batchway.telemetry.log import configure_logging, event, request_id
from batchway.telemetry.sparse import Sparse

__all__ = ["Sparse", "configure_logging", "event", "render_metrics", "request_id"]


def render_metrics() -> bytes:
    """Every metric of this process in Prometheus' text format."""
    from batchway.telemetry.metrics import render  # noqa: PLC0415 - slow to load, said above

    return render()
