"""Metrics of this process. Owns their format, not their names: each is where it is counted."""

from prometheus_client import REGISTRY, generate_latest


def render() -> bytes:
    """Every metric of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)
