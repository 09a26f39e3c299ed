"""Which models there are, and what a caller may do with each.

Owns the order of the refusals and their words.
Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html;
the messages in public issue threads.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from batchway.simulator.aws.behaviour import Behaviour
from batchway.simulator.aws.families import FAMILIES, family_of, named
from batchway.simulator.aws.keys import ACCOUNT, Caller
from batchway.simulator.aws.refusals import Refused, denied, invalid

_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]*):(?P<account>\d{12})?:(?P<kind>foundation-model|"
    r"inference-profile|application-inference-profile|custom-model|custom-model-deployment|"
    r"imported-model|provisioned-model|default-prompt-router|prompt-router)/.+"
)
# What the model id of a job may be: the pattern of CreateModelInvocationJob has no other.
_IN_BATCHES: Final = frozenset(
    {"foundation-model", "inference-profile", "application-inference-profile", "custom-model"}
)
_SHOWN: Final = (
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "amazon.nova-lite-v1:0",
    "amazon.titan-embed-text-v2:0",
    "cohere.embed-v4:0",
    "meta.llama3-3-70b-instruct-v1:0",
    "mistral.mistral-large-2407-v1:0",
    "openai.gpt-oss-20b-1:0",
)


class Models:
    """The models of a region."""

    def __init__(self, *, behaviour: Callable[[], Behaviour]) -> None:
        self._behaviour = behaviour

    def family(self, model: str, caller: Caller, *, action: str) -> str:
        """The family of a model that the caller may use. Raises `Refused`."""
        behaviour = self._behaviour()
        found = _ARN.fullmatch(model)
        if model.startswith("arn:"):
            if found is None:
                raise invalid("The provided ARN is invalid.")
            if found["region"] not in ("", caller.region):
                raise invalid("The provided ARN is invalid for the service region.")
            if found["account"] not in (None, ACCOUNT):
                raise denied(caller.arn, action, model)
        if action in behaviour.denied:
            resource = (
                model if found else f"arn:aws:bedrock:{caller.region}::foundation-model/{model}"
            )
            raise denied(caller.arn, action, resource)
        names = {model, named(model)}
        family = family_of(model, behaviour.families)
        there = behaviour.models is None or names & set(behaviour.models)
        if family not in FAMILIES or not there or names & set(behaviour.no_such_model):
            raise invalid("The provided model identifier is invalid.")
        if names & set(behaviour.end_of_life):
            raise Refused(
                404,
                "This model version has reached the end of its life. Please refer to the AWS "
                "documentation for more details.",
            )
        if names & set(behaviour.no_use_case):
            raise Refused(
                404,
                "Model use case details have not been submitted for this account. Fill out the "
                "Anthropic use case details form before using the model. If you have already "
                "filled out the form, try again in 15 minutes.",
            )
        if names & set(behaviour.no_access):
            raise Refused(403, "You don't have access to the model with the specified model ID.")
        if model in behaviour.profile_only:
            raise invalid(
                f"Invocation of model ID {model} with on-demand throughput isn’t supported. Retry "
                "your request with the ID or ARN of an inference profile that contains this model."
            )
        return str(family)

    def in_batches(self, model: str, caller: Caller) -> None:
        """Whether there are jobs of a model. Raises `Refused`."""
        found = _ARN.fullmatch(model)
        kind = "foundation-model" if found is None else found["kind"]
        if kind not in _IN_BATCHES:
            raise invalid("The provided model identifier is invalid.")
        if {model, named(model)} & set(self._behaviour().not_in_batches):
            raise invalid(
                f"Batch inference is not supported for model {model} in region {caller.region}"
            )

    def listed(self, region: str) -> dict[str, Any]:
        """The answer of ListFoundationModels."""
        names = self._behaviour().models or _SHOWN
        return {"modelSummaries": [_summary(name, region) for name in names]}


def _summary(name: str, region: str) -> Mapping[str, Any]:
    return {
        "modelArn": f"arn:aws:bedrock:{region}::foundation-model/{name}",
        "modelId": name,
        "modelName": name,
        "providerName": name.partition(".")[0],
        "inputModalities": ["TEXT"],
        "outputModalities": ["EMBEDDING" if "embed" in name else "TEXT"],
        "responseStreamingSupported": False,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    }
