"""What is answered to bytes that are no HTTP request, which never reach the application."""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from batchway.api.envelope import error_response
from batchway.domain.errors import ApiError, ApiText


class EnvelopeProtocol(HttpToolsProtocol):
    """uvicorn's protocol, whose own refusals are in the error envelope, too."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's, in its own words
        """Refuse what could not be parsed, and close: where a next request begins is unknown."""
        refusal = error_response(ApiError(ApiText.NOT_HTTP))
        status = HTTPStatus(refusal.status_code)
        head = [b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode())]
        head += [name + b": " + value for name, value in refusal.raw_headers]
        head += [b"connection: close", b"", bytes(refusal.body)]
        self.transport.write(b"\r\n".join(head))
        self.transport.close()
