"""The names of models on AWS Bedrock, as people write them, read once for all who need to know.

    anthropic.claude-sonnet-4-6                           a foundation model
    us.anthropic.claude-sonnet-4-6, global. ...           an inference profile of AWS's
    arn:aws:bedrock:REGION::foundation-model/ID           the same by their ARNs
    arn:aws:bedrock:REGION:ACCOUNT:inference-profile/ID
    ...:application-inference-profile/ID                  a profile of one's own
    ...:custom-model/BASE/ID                              a customized model: jobs alone run it
    ...:custom-model-deployment/ID                        the same, deployed: online only, as are
    ...:provisioned-model/ID                              provisioned throughput,
    ...:imported-model/ID                                 an imported model,
    ...:prompt-router/ID, ...:default-prompt-router/ID    and a router of prompts

Owns the form of a name: what is not of it can stand in no address, and is turned away with the
line, when a batch is checked, and where a configuration is read. Which of them jobs and calls take
is from the patterns of `modelId` in AWS's models of the two APIs (botocore, `bedrock` and
`bedrock-runtime`). Most ARNs of one's own do not say what their model speaks: the configuration
does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from batchway.catalog.bedrock_models import BedrockDialect, BedrockModels, base_of, chosen, find

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*", re.ASCII)
_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]{1,25}):(?P<account>[0-9]{12})?:"
    r"(?P<kind>[a-z-]+)/(?P<id>[A-Za-z0-9][A-Za-z0-9._:-]*(?:/[a-z0-9]{12})?)",
    re.ASCII,
)
_LONGEST: Final = 512  # of the whole name, as headers have it

# Which ARNs say what their model is, which jobs take, and which calls do.
_TELLING: Final = frozenset(
    {"custom-model", "default-prompt-router", "foundation-model", "inference-profile"}
)
_IN_JOBS: Final = frozenset(
    {"application-inference-profile", "custom-model", "foundation-model", "inference-profile"}
)
_ONLINE: Final = frozenset(
    {
        "application-inference-profile",
        "custom-model-deployment",
        "default-prompt-router",
        "foundation-model",
        "imported-model",
        "inference-profile",
        "prompt-router",
        "provisioned-model",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockName:
    """What a name means. `family` is what the catalog knows of the model, `model` its id there.

    `model` is the id of a foundation model, where the name tells it, and else the name itself.
    `region` and `account` are those that an ARN says, `None` where it leaves them out.
    """

    written: str
    model: str
    family: BedrockModels
    region: str | None = None
    account: str | None = None


def read_name(written: str, configured: Mapping[str, BedrockDialect]) -> BedrockName:
    """The model that a name means; `configured` are the dialects of the configuration.

    Raises:
        ValueError: the name leads to no model, or says of none what it speaks. The message does
            not repeat it.
    """
    if len(written) > _LONGEST:
        raise ValueError("The name is none of a model on AWS Bedrock: it is too long.")
    if written.startswith("arn:"):
        return _read_arn(written, configured)
    if _ID.fullmatch(written) is None:
        raise ValueError("The name of the model cannot stand in an address.")
    model = base_of(written)
    family = find((written, model), configured)
    if family is None:
        raise ValueError(
            "Nothing is known of a model of this name on AWS Bedrock: write the model's id, such "
            "as anthropic.claude-sonnet-4-6, or the id or ARN of an inference profile, or say "
            "what it speaks in the provider's `models`."
        )
    return BedrockName(written=written, model=model, family=family)


def _read_arn(written: str, configured: Mapping[str, BedrockDialect]) -> BedrockName:
    found = _ARN.fullmatch(written)
    if found is None or found["kind"] not in _IN_JOBS | _ONLINE:
        raise ValueError(
            "The name is no ARN of a model on AWS Bedrock: it is written as "
            "arn:aws:bedrock:REGION:ACCOUNT:inference-profile/ID, or the like."
        )
    kind, identity = found["kind"], found["id"]
    base, _, ending = identity.partition("/")
    if bool(ending) is not (kind == "custom-model"):
        raise ValueError("The ARN of a customized model ends in BASE/ID, and no other has two.")
    resource = f"{kind}/{identity}"
    if kind in _TELLING:
        # The base of a customized model has the size of its context behind it.
        model = base_of(base)
        family = find((written, resource, identity, model), configured)
    else:
        model = written
        family = chosen((written, resource, identity), configured)
    if family is None:
        raise ValueError(
            f"The ARN of {_article(kind)} does not say what its model speaks: say it in the "
            "provider's `models`, such as `" + '{"' + f'{kind}/ID": anthropic' + "}`."
        )
    return BedrockName(
        written=written,
        model=model,
        family=replace(
            family,
            online=family.online if kind in _ONLINE else None,
            jobs=family.jobs if kind in _IN_JOBS else None,
        ),
        region=found["region"],
        account=found["account"],
    )


def _article(kind: str) -> str:
    words = kind.replace("-", " ")
    return f"an {words}" if words[0] in "ai" else f"a {words}"
