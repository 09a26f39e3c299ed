"""Where software on AWS's machines asks for its keys: a container's and an instance's credentials.

Owns their paths and JSON; each answer is a new session of the machine's role. A client is pointed
here by `AWS_CONTAINER_CREDENTIALS_FULL_URI` or `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
Sources: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html.
"""

from typing import Final

from aiohttp import web

from batchway.simulator.aws.keys import ACCOUNT, Keys
from batchway.simulator.aws.sts import ends

ROLE: Final = "MachineRole"
CONTAINER: Final = "/v2/credentials/fake"
_ARN: Final = f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/i-0fake"
_INSTANCE: Final = "/latest/meta-data/iam/security-credentials/"
_TOKEN: Final = "/latest/api/token"
_GIVEN: Final = "AQAEfake=="


def answer(request: web.BaseRequest, keys: Keys, *, seconds: float) -> web.Response | None:
    """The answer to such a request, `None` when it is another; sessions last so many seconds."""
    if request.path == CONTAINER:
        return _session(keys, seconds)
    if request.path == _TOKEN and request.method == "PUT":
        return web.Response(text=_GIVEN)
    if not request.path.startswith(_INSTANCE):
        return None
    if request.headers.get("X-aws-ec2-metadata-token") != _GIVEN:
        return web.Response(status=401)
    if request.path == _INSTANCE:
        return web.Response(text=ROLE)
    return _session(keys, seconds)


def _session(keys: Keys, seconds: float) -> web.Response:
    key = keys.session(_ARN, seconds=seconds)
    return web.json_response(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": key.id,
            "SecretAccessKey": key.secret,
            "Token": key.token,
            "Expiration": ends(key),
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
        }
    )
