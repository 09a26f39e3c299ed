"""Claude on Bedrock: Anthropic's Messages as a body of InvokeModel.

Owns what is Bedrock's of it: the version, and which fields there are.
Source:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
"""

from typing import Any, Final

from batchway.simulator.aws.answering import Ran
from batchway.simulator.aws.refusals import invalid
from batchway.simulator.languages import claude


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HOUSE: Final = claude.House(
    name="Bedrock",
    ids="bdrk",
    versions=frozenset({"bedrock-2023-05-31"}),
    fields=_names(
        "anthropic_version anthropic_beta max_tokens messages system stop_sequences temperature "
        "top_k top_p tools tool_choice thinking output_config metadata context_management "
        "cache_control"
    ),
)


def run(body: object, *, model: str) -> Ran:
    """Answer a body. Raises `Refused`."""
    try:
        fields = claude.check(body, _HOUSE)
    except claude.Unfit as error:
        raise invalid(str(error)) from error
    worked = claude.worked_out(fields, model=model)
    response: dict[str, Any] = claude.message(
        fields, model=_short(model), worked=worked, house=_HOUSE
    )
    return Ran(
        response=response,
        digest=worked.digest,
        input_tokens=worked.prompt_tokens,
        output_tokens=worked.output_tokens,
    )


def _short(model: str) -> str:
    """As Anthropic calls it: without vendor, region and version."""
    name = model.rpartition("anthropic.")[2]
    return name.removesuffix(":0").rpartition("-v")[0] or name
