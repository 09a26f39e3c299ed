"""STS: sessions of assumed roles, and who a caller is.

Owns the query API's forms and its XML.
Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html and its neighbours.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from batchway.simulator.aws.behaviour import Behaviour
from batchway.simulator.aws.keys import ACCOUNT, Key, Keys
from batchway.simulator.aws.refusals import Refused
from batchway.simulator.aws.signing import Signed

_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(.+)")
_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}")


class Sts:
    """The operations."""

    def __init__(self, *, keys: Keys, behaviour: Callable[[], Behaviour]) -> None:
        self._keys = keys
        self._behaviour = behaviour

    def answer(self, form: Mapping[str, str], signed: Signed, *, request_id: str) -> str:
        """Answer a form. Raises `Refused`, to be written as `query`."""
        action = form.get("Action", "")
        match action:
            case "AssumeRole":
                caller = self._admit(signed)
                self._allowed("sts:AssumeRole", caller, form.get("RoleArn", ""))
                self._external(form, caller)
                inner = self._assumed(form)
            case "AssumeRoleWithWebIdentity":
                if not form.get("WebIdentityToken"):
                    raise Refused(400, "No OpenIDConnect token.", name="InvalidIdentityToken")
                self._allowed("sts:AssumeRoleWithWebIdentity", "", form.get("RoleArn", ""))
                inner = self._assumed(form)
            case "GetCallerIdentity":
                arn = self._admit(signed)
                inner = f"<Arn>{arn}</Arn><UserId>AIDAFAKE</UserId><Account>{ACCOUNT}</Account>"
            case _:
                raise Refused(
                    400,
                    f"Could not find operation {action} for version {form.get('Version', '')}",
                    name="InvalidAction",
                )
        return (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<{action}Result>{inner}</{action}Result>"
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
            f"</{action}Response>"
        )

    def _admit(self, signed: Signed) -> str:
        names = {
            "UnrecognizedClientException": "InvalidClientTokenId",
            "InvalidSignatureException": "SignatureDoesNotMatch",
            "ExpiredTokenException": "ExpiredToken",
            "MissingAuthenticationTokenException": "MissingAuthenticationToken",
            "IncompleteSignatureException": "IncompleteSignature",
        }
        try:
            return self._keys.admit(signed, service="sts").arn
        except Refused as refused:
            name = names.get(refused.name or "", "AccessDenied")
            raise Refused(refused.code, refused.message, name=name) from refused

    def _allowed(self, action: str, caller: str, role: str) -> None:
        if action in self._behaviour().denied:
            who = f"User: {caller} is not authorized" if caller else "Not authorized"
            on = f" on resource: {role}" if caller else ""
            raise Refused(403, f"{who} to perform: {action}{on}", name="AccessDenied")

    def _external(self, form: Mapping[str, str], caller: str) -> None:
        wanted = self._behaviour().external_id
        if wanted is not None and form.get("ExternalId") != wanted:
            raise Refused(
                403,
                f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: "
                f"{form.get('RoleArn', '')}",
                name="AccessDenied",
            )

    def _assumed(self, form: Mapping[str, str]) -> str:
        found = _ROLE.fullmatch(form.get("RoleArn", ""))
        name = form.get("RoleSessionName", "")
        if found is None:
            raise Refused(400, f"{form.get('RoleArn')} is invalid")
        if not _NAME.fullmatch(name):
            raise Refused(
                400,
                "1 validation error detected: Value at 'roleSessionName' failed to satisfy "
                r"constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*",
            )
        seconds = form.get("DurationSeconds")
        if seconds is not None and not 900 <= int(seconds) <= 43_200:
            raise Refused(
                400,
                "1 validation error detected: Value at 'durationSeconds' failed to satisfy "
                "constraint: Member must have value greater than or equal to 900",
            )
        arn = f"arn:aws:sts::{found[1]}:assumed-role/{found[2].rpartition('/')[2]}/{name}"
        lasts = self._behaviour().session_seconds if seconds is None else float(seconds)
        key = self._keys.session(arn, seconds=lasts)
        return (
            f"<Credentials><AccessKeyId>{key.id}</AccessKeyId>"
            f"<SecretAccessKey>{key.secret}</SecretAccessKey>"
            f"<SessionToken>{key.token}</SessionToken>"
            f"<Expiration>{ends(key)}</Expiration></Credentials>"
            f"<AssumedRoleUser><AssumedRoleId>AROAFAKE:{name}</AssumedRoleId><Arn>{arn}</Arn>"
            "</AssumedRoleUser>"
        )


def ends(key: Key) -> str:
    """The end of a session, as AWS writes it."""
    assert key.ends is not None
    return datetime.fromtimestamp(key.ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
