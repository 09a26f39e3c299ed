"""A simulated provider: an OpenAI-compatible model server whose answers can be checked.

It ships with the product, so that the demo, the journeys and the chaos tests run against a real
process over real sockets, and so that anyone can rehearse a batch before paying for it. Answers
are a pure function of the request; `verify` says whether a response is the right one. Latency,
queues, limits and faults are dials (`SimulatorSettings`).
"""

from batchway.simulator.online.answers import (
    expected_embedding,
    expected_moderation,
    expected_text,
    prompt_digest,
)
from batchway.simulator.online.server import run, serve
from batchway.simulator.online.settings import InvalidSettings, SimulatorSettings
from batchway.simulator.online.verification import verify

__all__ = [
    "InvalidSettings",
    "SimulatorSettings",
    "expected_embedding",
    "expected_moderation",
    "expected_text",
    "prompt_digest",
    "run",
    "serve",
    "verify",
]
