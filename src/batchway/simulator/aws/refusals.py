"""How AWS says no: the exceptions of JSON services, S3's and STS's XML.

Owns the envelopes and the texts that more than one operation uses. An exception's name is in the
header `x-amzn-errortype`, with a suffix that readers cut off at the colon, and not in the body.
Sources: botocore's service models of bedrock (2023-04-20) and bedrock-runtime (2023-09-30) for
names and codes;
https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html;
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; the messages in public issue
threads and captures.
"""

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

import msgspec

_SUFFIX: Final = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
_NAMES: Final = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_STORAGE: Final = {
    400: "InvalidRequest",
    403: "AccessDenied",
    404: "NoSuchKey",
    409: "OperationAborted",
    412: "PreconditionFailed",
    429: "SlowDown",
    500: "InternalError",
    503: "SlowDown",
}


class Refused(Exception):
    """AWS says no. `name` is the exception, or the `Code` of XML, where it is not the usual one.

    `upper`: the layer in front, which asks who may do what, writes `Message`.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        name: str | None = None,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        upper: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.name = name
        self.headers = dict(headers or {})
        self.fields = dict(fields or {})
        self._key = "Message" if upper else "message"

    @property
    def exception(self) -> str:
        """The exception's name in a JSON service."""
        return self.name or _NAMES.get(self.code, "InternalServerException")

    def json(self) -> tuple[bytes, dict[str, str]]:
        """The body and headers of a JSON service."""
        body = msgspec.json.encode({self._key: self.message, **self.fields})
        return body, {**self.headers, "x-amzn-ErrorType": self.exception + _SUFFIX}

    def storage(self, resource: str, request_id: str) -> str:
        """The body of S3."""
        code = self.name or _STORAGE.get(self.code, "InternalError")
        further = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in self.fields.items())
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{escape(self.message)}</Message>{further}"
            f"<Resource>{escape(resource)}</Resource><RequestId>{request_id}</RequestId>"
            "<HostId>fake</HostId></Error>"
        )

    def query(self, request_id: str) -> str:
        """The body of STS."""
        sender = "Sender" if self.code < 500 else "Receiver"
        return (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
            f"<Type>{sender}</Type><Code>{self.name or 'ValidationError'}</Code>"
            f"<Message>{escape(self.message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )


def invalid(message: str) -> Refused:
    """A request that breaks a rule."""
    return Refused(400, message)


def denied(who: str, action: str, resource: str) -> Refused:
    """A caller without a permission."""
    return Refused(
        403,
        f"User: {who} is not authorized to perform: {action} on resource: {resource} because no "
        f"identity-based policy allows the {action} action",
        upper=True,
    )


def throttled(message: str = "Too many requests, please wait before trying again.") -> Refused:
    """Too many requests, or too many tokens."""
    return Refused(429, message)
