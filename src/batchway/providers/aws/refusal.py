"""What AWS's refusals mean: whose fault they are, and what they stand for.

    ThrottlingException, ServiceQuotaExceededException, ModelNotReadyException      429
    ServiceUnavailableException                                                     503
    ModelTimeoutException                                                           408
    ModelErrorException                                      424: the model failed  500
    ExpiredToken*, UnrecognizedClientException, *Signature*, MissingAuthentication* the credentials
    AccessDeniedException                                  the credentials, or access to the model
    ResourceNotFoundException                                                       the model
    ValidationException   the line; the model, where it says that it is not to be called so    404

The name of an exception is in the header `x-amzn-errortype`, or in the body (`__type`). Owns these
readings, for calls of models and for those of the batch API. What is to be done is `advice`'s.
Sources: botocore's models of both APIs, docs.aws.amazon.com/bedrock/latest/userguide/
troubleshooting-api-error-codes.html
"""

import re
from typing import Final

import msgspec

from batchway.dialects.answers.errors import advised, error_body
from batchway.dialects.tolerant_json import object_in
from batchway.domain.remote import Trouble
from batchway.ports import Refused
from batchway.providers.aws.advice import CREDENTIALS, DATED, Called, advice_on
from batchway.providers.aws.discretion import discreet
from batchway.providers.http.trouble import Header, ReadError, Said

ERROR_HEADER: Final = "x-amzn-errortype"
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_MESSAGE: Final = 1_000

_STATUSES: Final = {
    "ModelErrorException": 500,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "RequestLimitExceeded": 429,
    "ServiceQuotaExceededException": 429,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "Throttling": 429,
    "ThrottlingException": 429,
    "TooManyRequestsException": 429,
}
_OF_CREDENTIALS: Final = frozenset({*CREDENTIALS, "NotAuthorized"})
_ENDED: Final = frozenset({"ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId"})
_OF_DATES: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_SIGNATURES: Final = frozenset({"InvalidSignature", "SignatureDoesNotMatch"})
_ACCESS: Final = re.compile(
    r"have access to the model|model access is denied|access to this model is not", re.IGNORECASE
)
# What a ValidationException says of the model and not of the line.
_MODEL: Final = re.compile(
    r"on-demand throughput isn|model identifier is invalid|"
    r"(?:model|profile)[^.]{0,80}(?:not found|does not exist|is not supported in)",
    re.IGNORECASE,
)
_OBJECT: Final = re.compile(r"\bs3:|\bS3\b")


def kind_of(header: str | None, body: bytes) -> str:
    """The name of an exception, empty where none is told."""
    if header:
        # "ValidationException:http://internal.amazon.com/coral/..."
        return _word(header.split(":", 1)[0].strip())
    said = (object_in(body) or {}).get("__type")
    return _word(said.rpartition("#")[2]) if isinstance(said, str) else ""


def message_of(body: bytes) -> str:
    """What an exception says; it is written in both ways."""
    fields = object_in(body) or {}
    for name in ("message", "Message"):
        said = fields.get(name)
        if isinstance(said, str):
            return said[:_MOST_MESSAGE]
    return ""


def refused(status: int, kind: str, message: str) -> Refused:
    """What an exception means. `status` is that of its answer."""
    word = kind.removesuffix("Exception")
    status = _STATUSES.get(kind, status)
    of_model = (
        word == "ResourceNotFound"
        or (word == "AccessDenied" and _ACCESS.search(message) is not None)
        or (word == "Validation" and _MODEL.search(message) is not None)
    )
    if of_model and status == 400:
        # As everywhere where a model is not: such lines wait until it is named as it should be.
        status = 404
    denied = status in {401, 403} or word == "AccessDenied"
    of_line = of_model or _OBJECT.search(message) is not None
    return Refused(
        status=status,
        code=kind,
        kind=kind,
        message=message,
        of_account=word in _OF_CREDENTIALS or (denied and not of_line),
        body=error_body(status, message, code=kind),
        of_model=of_model,
    )


def told(refusal: Refused, called: Called) -> Refused:
    """A refusal as its tenant reads it: without the operator's names, and with what to do."""
    message = discreet(refusal.message, called.place.bucket)
    advice = advice_on(refusal, called)
    if advice:
        return advised(refusal, advice, message=message)
    body = error_body(refusal.status, message, code=refusal.code)
    return msgspec.structs.replace(refusal, message=message, body=body)


def is_of_date(refusal: Refused) -> bool:
    """Whether a signature was refused for its date alone."""
    word = refusal.kind.removesuffix("Exception")
    return word in _OF_DATES or (word in _SIGNATURES and DATED.search(refusal.message) is not None)


def is_of_ended_keys(refusal: Refused) -> bool:
    """Whether the keys are such no more: others may have come in their place."""
    return refusal.kind.removesuffix("Exception") in _ENDED


def reader(called: Called) -> ReadError:
    """What reads errors of calls to the batch API, see `providers.http.trouble`."""

    def read(body: bytes, header: Header) -> Said:
        kind = kind_of(header(ERROR_HEADER), body)
        said = told(refused(400, kind, message_of(body)), called)
        message = said.message
        if said.advice:
            message = f"{message.rstrip('. ')}. To mend it: {said.advice}."
        return Said(
            message=message,
            code=kind or None,
            trouble=_trouble(said),
            advised=bool(said.advice),
        )

    return read


def _trouble(said: Refused) -> Trouble | None:
    if said.of_account or said.kind == "AccessDeniedException":
        return Trouble.DENIED
    if said.kind == "ServiceQuotaExceededException":
        return Trouble.NO_ROOM
    if said.status == 429:
        return Trouble.BUSY
    return None


def _word(value: str) -> str:
    return value if _WORD.fullmatch(value) else ""
