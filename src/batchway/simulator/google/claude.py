"""Claude on Vertex AI: Anthropic's Messages behind `rawPredict`, and in batches.

Owns what is Vertex AI's of it: versions, fields, and the envelope of a refusal.
Source: https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
"""

from collections.abc import Mapping
from typing import Any, Final

from batchway.simulator.google.refusals import Refused
from batchway.simulator.languages import claude
from batchway.simulator.languages.claude import worked_out
from batchway.simulator.online.answers import Answer

__all__ = ["check", "message", "worked_out"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HOUSE: Final = claude.House(
    name="Vertex AI",
    ids="vrtx",
    # The version that Google documents, and the one that Anthropic's SDKs send since their 2.0.
    versions=frozenset({"vertex-2023-10-16", "2026-10-21"}),
    fields=_names(
        "anthropic_version anthropic_beta max_tokens messages system metadata stop_sequences "
        "stream temperature top_k top_p tools tool_choice thinking output_config service_tier "
        "container context_management mcp_servers cache_control diagnostics inference_geo speed "
        "user_profile_id workspace_id"
    ),
    refuses={"stream": "stream: rawPredict does not stream; call streamRawPredict"},
)


def check(body: object) -> dict[str, Any]:
    """The body, when it is fit to be answered. Raises `Refused`: 400, in Anthropic's words."""
    try:
        return claude.check(body, _HOUSE)
    except claude.Unfit as error:
        raise Invalid(400, str(error)) from error


def message(body: Mapping[str, Any], *, model: str, worked: Answer) -> dict[str, Any]:
    """The answer to a checked body."""
    return claude.message(body, model=model, worked=worked, house=_HOUSE)


class Invalid(Refused):
    """A 400 in Anthropic's envelope, which the platform passes on as it is."""

    def rpc(self) -> dict[str, Any]:
        """The body."""
        return {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": self.message},
            "request_id": "req_vrtx_fake",
        }
