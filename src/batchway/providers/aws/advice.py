"""What can be done about a refusal of AWS's: the missing access, permission, profile or key.

Owns clauses for whoever set the account up, such as `allow bedrock:InvokeModel ...`. Which refusal
is whose is `refusal`'s. Clauses quote names of the configuration and of permissions, and the model,
nothing else.
"""

import re
from dataclasses import dataclass
from typing import Final

from batchway.ports import Refused
from batchway.providers.aws.place import Place

_ACTION: Final = re.compile(r"\b((?:bedrock|s3|iam|sts|kms|aws-marketplace):[A-Za-z]{3,60})\b")
_ON_DEMAND: Final = re.compile(r"on-demand throughput isn", re.IGNORECASE)
_DENY: Final = re.compile(r"explicit deny", re.IGNORECASE)
_FORM: Final = re.compile(r"use case (?:details|form)", re.IGNORECASE)
_ENDED: Final = re.compile(r"end of (?:its )?life|legacy", re.IGNORECASE)
_MARKETPLACE: Final = re.compile(r"marketplace", re.IGNORECASE)
DATED: Final = re.compile(r"signature (?:expired|not yet current)", re.IGNORECASE)
_KEY: Final = re.compile(r"api key|bearer token", re.IGNORECASE)
# Which profiles run where; elsewhere the one that runs everywhere is the better advice.
_GEOGRAPHIES: Final = {"us": "us", "ca": "us", "eu": "eu", "ap": "apac"}
_ANYWHERE: Final = "global"

# Exceptions about the credentials themselves, without "Exception" at their end (services differ).
CREDENTIALS: Final = {
    "ExpiredToken": (
        "get new credentials: the session behind `session_token` or `profile` has ended"
    ),
    "IncompleteSignature": "check `access_key_id` and `secret_access_key`",
    "InvalidClientTokenId": "check `access_key_id`: AWS does not know it (any more)",
    "InvalidSignature": "check `secret_access_key`: it is not that of `access_key_id`",
    "MissingAuthenticationToken": (
        "give the provider credentials: `access_key_id` and `secret_access_key`, `profile`, "
        "`api_key`, the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role of the "
        "machine; the server's log says why there are none"
    ),
    "OptInRequired": "sign the account up for Bedrock",
    "RequestExpired": "set the clock of this machine",
    "RequestTimeTooSkewed": "set the clock of this machine",
    "SignatureDoesNotMatch": "check `secret_access_key`: it is not that of `access_key_id`",
    "SubscriptionRequired": "sign the account up for Bedrock",
    "UnrecognizedClient": (
        "check `access_key_id`, or `session_token` beside it: AWS does not know them (any more)"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What was called: a place, and a model by its id where it was one."""

    place: Place
    model: str = ""


def advice_on(refusal: Refused, called: Called) -> str:
    """What to do about it, as a clause; empty for what is no matter of the account's."""
    word, message = refusal.kind.removesuffix("Exception"), refusal.message
    if refusal.of_model:
        return _of_model(message, called)
    if DATED.search(message):
        return "set the clock of this machine"
    if _KEY.search(message) and refusal.of_account:
        return "check `api_key`: AWS does not take it (any more)"
    if word in CREDENTIALS:
        return CREDENTIALS[word]
    if refusal.of_account:
        return _of_permission(message, called)
    if refusal.status == 429:
        return (
            f"a quota of the account in '{called.place.region}' is used up, or AWS has no room "
            "there: ask for a higher quota (Service Quotas), lower `limits`, or name an inference "
            "profile that runs in several regions"
        )
    return ""


def _of_model(message: str, called: Called) -> str:
    region = called.place.region
    if _ON_DEMAND.search(message):
        return (
            "call the model by an inference profile: put its id, such as "
            f"'{_profile(region, called.model)}', or its ARN in place of the model's"
        )
    if _FORM.search(message):
        return (
            "fill in the use case details for Anthropic's models, once for the account: in the "
            "Bedrock console under Model catalog"
        )
    if _ENDED.search(message):
        return "name a model that AWS still runs"
    if _MARKETPLACE.search(message):
        return (
            "allow these credentials aws-marketplace:Subscribe and "
            "aws-marketplace:ViewSubscriptions, or have somebody who is allowed call the model once"
        )
    if "access" in message:
        return (
            f"request access to the model in the Bedrock console of '{region}' (Model access), or "
            "set `region` to one where the account has it"
        )
    return (
        f"check the model's id, and that it is offered in '{region}' (`region`); an inference "
        f"profile runs in its own geography only, here '{_geography(region)}.'"
    )


def _of_permission(message: str, called: Called) -> str:
    found = _ACTION.search(message)
    action = "bedrock:InvokeModel" if found is None else found[1]
    if _DENY.search(message):
        return f"a policy of AWS denies these credentials {action}: remove that"
    if action.startswith("bedrock:InvokeModel"):
        return (
            f"allow these credentials {action} on the model in '{called.place.region}' and, where "
            "it is called by an inference profile, on the profile and on the model in each of the "
            "profile's regions"
        )
    if action == "iam:PassRole":
        return "allow these credentials iam:PassRole on the role `role_arn`"
    return f"allow these credentials {action}"


def _geography(region: str) -> str:
    if region.startswith("us-gov-"):
        return "us-gov"
    return _GEOGRAPHIES.get(region.partition("-")[0], _ANYWHERE)


def _profile(region: str, model: str) -> str:
    return f"{_geography(region)}.{model or 'anthropic.claude-sonnet-4-6'}"
