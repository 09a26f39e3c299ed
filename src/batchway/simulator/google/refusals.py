"""How Google says no: `google.rpc.Status` as JSON, Cloud Storage's two other forms, OAuth's.

Owns the envelopes and the texts that more than one operation uses.
Sources: https://cloud.google.com/apis/design/errors,
https://cloud.google.com/storage/docs/json_api/v1/status-codes,
https://cloud.google.com/storage/docs/xml-api/reference-status, RFC 6749 section 5.2.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# Cloud Storage's words: `reason` of the JSON API and `Code` of the XML API.
_REASONS: Final = {
    400: ("invalid", "InvalidArgument"),
    401: ("authError", "AuthenticationRequired"),
    403: ("forbidden", "AccessDenied"),
    404: ("notFound", "NoSuchKey"),
    409: ("conflict", "Conflict"),
    412: ("conditionNotMet", "PreconditionFailed"),
    416: ("requestedRangeNotSatisfiable", "InvalidRange"),
    429: ("rateLimitExceeded", "SlowDown"),
    503: ("backendError", "ServiceUnavailable"),
}


class Refused(Exception):
    """Google says no. `status` is the canonical name where it is not the usual one of the code.

    `code_name` replaces the XML API's `Code`.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        code_name: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUS.get(code, "UNKNOWN")
        self.details = list(details)
        self.headers = dict(headers or {})
        self.code_name = code_name

    def rpc(self) -> dict[str, Any]:
        """The body of an API of the platform."""
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "status": self.status,
        }
        if self.details:
            error["details"] = self.details
        return {"error": error}

    def storage(self) -> dict[str, Any]:
        """The body of Cloud Storage's JSON API."""
        reason = _REASONS.get(self.code, ("backendError", ""))[0]
        inner = {"message": self.message, "domain": "global", "reason": reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [inner]}}

    def xml(self) -> str:
        """The body of Cloud Storage's XML API."""
        name = self.code_name or _REASONS.get(self.code, ("", "InternalError"))[1]
        return (
            "<?xml version='1.0' encoding='UTF-8'?>"
            f"<Error><Code>{name}</Code><Message>{escape(self.message)}</Message></Error>"
        )


class TokenRefused(Exception):
    """The token endpoint says no: OAuth's `error` and `error_description`."""

    def __init__(self, error: str, description: str, *, code: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.body = {"error": error, "error_description": description}


def unauthenticated(reason: str) -> Refused:
    """No token, or one that is not valid (any more)."""
    missing = reason == "CREDENTIALS_MISSING"
    message = (
        "Request is missing required authentication credential. Expected OAuth 2 access token, "
        if missing
        else "Request had invalid authentication credentials. Expected OAuth 2 access token, "
    )
    return Refused(
        401,
        message + "login cookie or other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project.",
        details=[_info(reason, {"service": "aiplatform.googleapis.com"})],
        headers={
            "WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'
            + ("" if missing else ', error="invalid_token"')
        },
    )


def permission_denied(permission: str, resource: str) -> Refused:
    """The caller's account has no role with this permission."""
    return Refused(
        403,
        f"Permission '{permission}' denied on resource '//aiplatform.googleapis.com/{resource}' "
        "(or it may not exist).",
        details=[
            _info(
                "IAM_PERMISSION_DENIED",
                {"permission": permission, "resource": resource},
                domain="aiplatform.googleapis.com",
            )
        ],
    )


def service_disabled(project: str) -> Refused:
    """The API was never enabled in the project."""
    url = (
        "https://console.developers.google.com/apis/api/aiplatform.googleapis.com/overview"
        f"?project={project}"
    )
    return Refused(
        403,
        f"Vertex AI API has not been used in project {project} before or it is disabled. Enable "
        f"it by visiting {url} then retry. If you enabled this API recently, wait a few minutes "
        "for the action to propagate to our systems and retry.",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{"description": "Google developers console API activation", "url": url}],
            },
            _info(
                "SERVICE_DISABLED",
                {
                    "service": "aiplatform.googleapis.com",
                    "consumer": f"projects/{project}",
                    "serviceTitle": "Vertex AI API",
                    "containerInfo": project,
                    "activationUrl": url,
                },
            ),
        ],
    )


def billing_disabled(project: str) -> Refused:
    """The project has no billing account."""
    return Refused(
        403,
        "This API method requires billing to be enabled. Please enable billing on project "
        f"#{project} by visiting https://console.developers.google.com/billing/enable?project="
        f"{project} then retry.",
        details=[
            _info(
                "BILLING_DISABLED",
                {"service": "aiplatform.googleapis.com", "consumer": f"projects/{project}"},
            )
        ],
    )


def exhausted(what: str) -> Refused:
    """A quota, of jobs or of requests a minute, is used up."""
    if what == "online":
        return Refused(
            429,
            "Resource exhausted. Please try again later. Please refer to "
            "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more "
            "details.",
        )
    return Refused(
        429,
        f"Quota exceeded for aiplatform.googleapis.com/{what} with base model. Please submit a "
        "quota increase request. "
        "https://cloud.google.com/vertex-ai/docs/generative-ai/quotas-genai.",
    )


def no_such_model(path: str) -> Refused:
    """Online: a model that there is not, or not here, or not for this project."""
    return Refused(
        404,
        f"Publisher Model `{path}` was not found or your project does not have access to it. "
        "Please ensure you are using a valid model version. For more information, see: "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions",
    )


def _info(
    reason: str, metadata: Mapping[str, str], *, domain: str = "googleapis.com"
) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": dict(metadata),
    }
