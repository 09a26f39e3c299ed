"""What Google's refusals mean to whoever set the account up: the missing role, API or setting.

    SERVICE_DISABLED                       the API is not enabled in the project
    BILLING_DISABLED                       the project has no billing account
    UNAUTHENTICATED, ACCESS_TOKEN_*        the credentials
    CONSUMER_INVALID, USER_PROJECT_DENIED  the project
    PERMISSION_DENIED                      a role, by the permission that the message names
    "Publisher Model ..."                  the model: its name, its region, its terms
    RESOURCE_EXHAUSTED                     a quota

Owns advice and, for calls to the batch API, troubles. What is about an account, its billing or its
model at all, the dialects know (`dialects.gemini.error`). Sentences quote names of the
configuration and of permissions, nothing else. Sources: google/api/error_reason.proto,
docs.cloud.google.com/gemini-enterprise-agent-platform/reference/models/api-errors
"""

import re
from typing import Final

from batchway.dialects.gemini.error import refused
from batchway.dialects.tolerant_json import object_in, object_or_none
from batchway.domain.remote import Trouble
from batchway.ports import Refused
from batchway.providers.google.discretion import discreet
from batchway.providers.google.place import Place
from batchway.providers.http.trouble import Header, ReadError, Said

_VERTEX: Final = "aiplatform.googleapis.com"
# Accounts and services are named beside it: `x@p.iam.gserviceaccount.com`.
_PERMISSION: Final = re.compile(
    r"\b((aiplatform|storage|serviceusage|iam)\.(?!g\w+\.com\b)[A-Za-z]+\.[A-Za-z]+)\b"
)
_SERVICE: Final = re.compile(r"\b([a-z]{2,30}\.googleapis\.com)\b")
_ELSEWHERE: Final = re.compile(r"\bregion\b|not (?:servable|supported|available) in", re.IGNORECASE)
_TERMS: Final = re.compile(r"not allowed to use|terms|enable", re.IGNORECASE)
_BATCH: Final = re.compile(r"batch|concurrent", re.IGNORECASE)

_ROLES: Final = {
    "aiplatform": "Vertex AI User (roles/aiplatform.user)",
    "storage": "Storage Object Admin (roles/storage.objectAdmin)",
    "serviceusage": "Service Usage Consumer (roles/serviceusage.serviceUsageConsumer)",
    "iam": "Service Account Token Creator (roles/iam.serviceAccountTokenCreator)",
}
_OF_PROJECT: Final = frozenset({"CONSUMER_INVALID", "CONSUMER_SUSPENDED", "USER_PROJECT_DENIED"})


def advice_on(refusal: Refused, place: Place) -> str:
    """What to do about it, as a clause; empty for what is no matter of the account's."""
    reason, message = refusal.code, refusal.message
    if reason == "SERVICE_DISABLED":
        service = _SERVICE.search(message)
        api = _VERTEX if service is None or service[1].startswith("console") else service[1]
        return (
            f"enable the API {api} in the project '{place.project}' "
            f"(`gcloud services enable {api} --project {place.project}`)"
        )
    if refusal.no_credit:
        return f"link a billing account that is in order to the project '{place.project}'"
    if reason in _OF_PROJECT:
        return (
            f"check `project`, which is '{place.project}': it does not exist, is closed, or these "
            "credentials may not use it"
        )
    if refusal.of_model:
        return _of_model(message, place)
    if refusal.status == 401 or refusal.kind == "UNAUTHENTICATED" or reason.startswith("ACCESS_"):
        return (
            "check `credentials_file`, or what the environment gives in its place, and that it was "
            "not disabled at Google"
        )
    if refusal.status == 403 or refusal.kind == "PERMISSION_DENIED":
        return _of_permission(message, place)
    if refusal.status == 429 or refusal.kind == "RESOURCE_EXHAUSTED":
        return (
            f"a quota of the project '{place.project}' in '{place.region}' is used up, or Google "
            "has no room there: ask for a higher quota, lower `limits`, or use the region 'global'"
        )
    return ""


def doubt_of(place: Place) -> str:
    """What to say of a region that is in no list, where nothing answers there; else empty."""
    if place.is_known:
        return ""
    return (
        f"'{place.region}' is no region that is known of Vertex AI: check `region`, or the header "
        "x-tfy-vertex-region."
    )


def reader(place: Place) -> ReadError:
    """What reads error bodies of calls to the batch API, see `providers.http.trouble`."""

    def read(body: bytes, _header: Header) -> Said:
        return said_in(body, place)

    return read


def said_in(body: bytes, place: Place) -> Said:
    """What an error body says, and what can be done about it. Google names no error in a header."""
    said = refused(_status_in(body), body)
    advice = advice_on(said, place)
    message = discreet(said.message or _plain(body), place.bucket)
    if advice:
        message = f"{message.rstrip('. ')}. To mend it: {advice}." if message else advice
    return Said(
        message=message,
        code=said.code or None,
        trouble=_trouble(said),
        advised=bool(advice),
    )


def _status_in(body: bytes) -> int:
    """The status that an error names: Cloud Storage says no word beside it."""
    code = (object_or_none((object_in(body) or {}).get("error")) or {}).get("code")
    return code if isinstance(code, int) and 400 <= code <= 599 else 400


def _trouble(said: Refused) -> Trouble | None:
    if said.of_account:
        return Trouble.DENIED
    if said.of_model:
        return Trouble.REFUSED
    if said.kind == "RESOURCE_EXHAUSTED":
        return Trouble.NO_ROOM if _BATCH.search(said.message) else Trouble.BUSY
    return None


def _of_model(message: str, place: Place) -> str:
    if _TERMS.search(message) and "not found" not in message:
        return (
            f"enable the model in Model Garden for the project '{place.project}', where its "
            "publisher's terms are accepted"
        )
    if _ELSEWHERE.search(message) and "not found" not in message:
        return (
            f"the model is not offered in the region '{place.region}': set `region`, or send the "
            "header x-tfy-vertex-region, to one where it is, such as 'global'"
        )
    return (
        f"check the model's name, that it is offered in the region '{place.region}' (`region`, or "
        "the header x-tfy-vertex-region), and that it is enabled in Model Garden for the project "
        f"'{place.project}'"
    )


def _of_permission(message: str, place: Place) -> str:
    found = _PERMISSION.search(message)
    role = _ROLES["aiplatform" if found is None else found[2]]
    where = (
        f"on the bucket '{place.bucket}'"
        if found is not None and found[2] == "storage"
        else (f"in the project '{place.project}'")
    )
    needs = "" if found is None else f", for {found[1]}"
    return f"give the account of these credentials the role {role} {where}{needs}"


def _plain(body: bytes) -> str:
    return " ".join(
        re.sub(rb"<[^>]{0,200}>", b" ", body[:2_048]).decode("utf-8", "replace").split()
    )
