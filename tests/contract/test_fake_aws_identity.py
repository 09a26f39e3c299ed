"""The fake of AWS, driven by boto3 over the socket: who calls, and what they may do."""

import dataclasses
import json
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.contract.aws_clients import CLAUDE, REGION, asked, body, client

from batchway.simulator.aws import BedrockFake, KeyPair, running

ARN = f"arn:aws:bedrock:{REGION}:123456789012:model-invocation-job/abcdefghijk1"
READER = "arn:aws:iam::123456789012:role/teams/Reader"


@pytest.fixture(scope="module")
def shared() -> Generator[BedrockFake]:
    with running() as fake:
        yield fake


@pytest.fixture
def fake(shared: BedrockFake) -> Generator[BedrockFake]:
    before = shared.control()
    yield shared
    shared.control(**before)


def refused(
    fake: BedrockFake, keys: KeyPair | None = None, **further: object
) -> tuple[int, str, str]:
    """What a list of jobs is refused with."""
    with pytest.raises(ClientError) as caught:
        client("bedrock", fake, keys=keys).list_model_invocation_jobs(**further)
    answer = caught.value.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"]["Message"],
    )


def works(fake: BedrockFake, keys: KeyPair) -> None:
    client("bedrock", fake, keys=keys).list_model_invocation_jobs(nameContains="a-b", maxResults=5)
    client("bedrock-runtime", fake, keys=keys).invoke_model(
        modelId=CLAUDE, body=json.dumps(body(1))
    )


def test_static_keys_and_sessions(fake: BedrockFake) -> None:
    for keys in (fake.keys, fake.new_keys(), fake.session()):
        works(fake, keys)


def test_a_wrong_secret_and_an_unknown_key(fake: BedrockFake) -> None:
    status, code, message = refused(fake, dataclasses.replace(fake.keys, secret="wrong"))
    assert (status, code) == (403, "InvalidSignatureException")
    assert message.startswith("The request signature we calculated does not match")
    status, code, message = refused(fake, KeyPair(id="AKIAUNKNOWN", secret="x"))
    assert (status, code, message) == (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )
    fake.control(check_signatures=False)
    works(fake, dataclasses.replace(fake.keys, secret="wrong"))


def test_a_session_needs_its_token_and_ends(fake: BedrockFake) -> None:
    keys = fake.session()
    assert refused(fake, dataclasses.replace(keys, token=None))[1] == "UnrecognizedClientException"
    assert refused(fake, dataclasses.replace(keys, token="x"))[1] == "UnrecognizedClientException"
    works(fake, keys)
    fake.control(advance=3_601)
    assert refused(fake, keys) == (
        403,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )


def test_a_body_and_a_header_cannot_be_changed_on_the_way(fake: BedrockFake) -> None:
    runtime = client("bedrock-runtime", fake)

    def changed(request: Any, **_: object) -> None:
        request.body = request.body.replace(b"Line 1", b"Line 2")

    runtime.meta.events.register("before-send.bedrock-runtime.InvokeModel", changed)
    with pytest.raises(ClientError, match="does not match"):
        runtime.invoke_model(modelId=CLAUDE, body=json.dumps(body(1)))


@pytest.mark.parametrize(("skew", "words"), [(400, "Signature expired"), (-400, "not yet current")])
def test_a_clock_that_is_wrong_is_told_the_right_time(
    fake: BedrockFake, skew: float, words: str
) -> None:
    fake.control(clock_skew=skew)
    with pytest.raises(ClientError, match=words) as caught:
        client("bedrock", fake).list_model_invocation_jobs()
    answer = caught.value.response
    assert answer["Error"]["Code"] == "InvalidSignatureException"
    told = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert abs(told.timestamp() - time.time() - skew) < 5


def test_roles_are_assumed(fake: BedrockFake) -> None:
    sts = client("sts", fake)
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/batchway"
    made = sts.assume_role(RoleArn=READER, RoleSessionName="batchway", DurationSeconds=900)
    assert made["AssumedRoleUser"]["Arn"] == (
        "arn:aws:sts::123456789012:assumed-role/Reader/batchway"
    )
    given = made["Credentials"]
    keys = KeyPair(
        id=given["AccessKeyId"], secret=given["SecretAccessKey"], token=given["SessionToken"]
    )
    works(fake, keys)
    assert (
        client("sts", fake, keys=keys).get_caller_identity()["Arn"]
        == (made["AssumedRoleUser"]["Arn"])
    )
    fake.control(advance=901)
    assert refused(fake, keys)[1] == "ExpiredTokenException"
    assert fake.stats()["sessions"] >= 1


def test_roles_that_cannot_be_assumed(fake: BedrockFake) -> None:
    sts = client("sts", fake)
    fake.control(external_id="right")
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole") as caught:
        sts.assume_role(RoleArn=READER, RoleSessionName="batchway", ExternalId="wrong")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    sts.assume_role(RoleArn=READER, RoleSessionName="batchway", ExternalId="right")
    fake.control(denied=["sts:AssumeRole"])
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        sts.assume_role(RoleArn=READER, RoleSessionName="batchway", ExternalId="right")
    wrong = client("sts", fake, keys=dataclasses.replace(fake.keys, secret="wrong"))
    with pytest.raises(ClientError) as caught:
        wrong.get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_a_web_identity_from_the_environment(
    fake: BedrockFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("a.b.c")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", READER)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", fake.url)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    bedrock = boto3.Session(region_name=REGION).client("bedrock", endpoint_url=fake.url)
    assert bedrock.list_model_invocation_jobs()["invocationJobSummaries"] == []


@pytest.mark.parametrize("machine", ["container", "instance"])
def test_the_role_of_a_machine(
    fake: BedrockFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    if machine == "container":
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", fake.container_uri)
    else:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake.url)
    before = fake.stats()["sessions"]
    session = boto3.Session(region_name=REGION)
    sts = session.client("sts", endpoint_url=fake.url)
    assert sts.get_caller_identity()["Arn"].endswith(":assumed-role/MachineRole/i-0fake")
    assert fake.stats()["sessions"] == before + 1


def with_api_key(fake: BedrockFake, service: str) -> Any:
    """A client that takes the key of the environment.

    botocore sends such a key over TLS alone, so it is told so until the request leaves.
    """
    made = boto3.Session(region_name=REGION).client(
        service, endpoint_url=fake.url.replace("http:", "https:")
    )

    def plain(request: Any, **_: object) -> None:
        request.url = request.url.replace("https:", "http:")

    made.meta.events.register(f"before-send.{service}", plain)
    return made


def test_an_api_key(fake: BedrockFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", fake.bearer())
    bedrock = with_api_key(fake, "bedrock")
    assert bedrock.list_model_invocation_jobs()["invocationJobSummaries"] == []
    fake.control(bearer_keys=["known-before"])
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "known-before")
    runtime = with_api_key(fake, "bedrock-runtime")
    runtime.invoke_model(modelId=CLAUDE, body=json.dumps(body(1)))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "unknown")
    runtime = with_api_key(fake, "bedrock-runtime")
    with pytest.raises(runtime.exceptions.AccessDeniedException) as caught:
        runtime.invoke_model(modelId=CLAUDE, body=json.dumps(body(1)))
    assert caught.value.response["Error"]["Message"] == (
        "Authentication failed: Please make sure your API Key is valid."
    )


def test_what_is_not_signed_at_all(fake: BedrockFake) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{fake.url}/model-invocation-jobs")
    assert caught.value.code == 403
    assert json.load(caught.value) == {"message": "Missing Authentication Token"}
    assert caught.value.headers["x-amzn-ErrorType"].startswith("MissingAuthenticationTokenExcep")


def test_arns_are_one_segment_and_no_bare_ids(fake: BedrockFake) -> None:
    bedrock = client("bedrock", fake)
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException, match="Could not find"):
        bedrock.get_model_invocation_job(jobIdentifier=ARN)
    with pytest.raises(bedrock.exceptions.ValidationException, match="provided ARN is invalid"):
        bedrock.get_model_invocation_job(jobIdentifier="abcdefghijk1")
    with pytest.raises(bedrock.exceptions.ValidationException, match="for the service region"):
        bedrock.stop_model_invocation_job(jobIdentifier=ARN.replace(REGION, "eu-west-1"))
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{fake.url}/model-invocation-job/{ARN}")
    assert (caught.value.code, caught.value.headers["x-amzn-ErrorType"].split(":")[0]) == (
        404,
        "UnknownOperationException",
    )


def test_actions_that_are_not_allowed(fake: BedrockFake) -> None:
    fake.control(denied=["bedrock:ListModelInvocationJobs", "iam:PassRole", "bedrock:InvokeModel"])
    status, code, message = refused(fake)
    assert (status, code) == (403, "AccessDeniedException")
    assert message == (
        "User: arn:aws:iam::123456789012:user/batchway is not authorized to perform: "
        "bedrock:ListModelInvocationJobs on resource: "
        f"arn:aws:bedrock:{REGION}:123456789012:model-invocation-job/* because no identity-based "
        "policy allows the bedrock:ListModelInvocationJobs action"
    )
    bedrock = client("bedrock", fake)
    with pytest.raises(bedrock.exceptions.AccessDeniedException, match="iam:PassRole on resource"):
        bedrock.create_model_invocation_job(**asked("no-bucket"))
    runtime = client("bedrock-runtime", fake)
    with pytest.raises(
        runtime.exceptions.AccessDeniedException, match="foundation-model/anthropic"
    ):
        runtime.invoke_model(modelId=CLAUDE, body=json.dumps(body(1)))
    fake.control(revoked=True)
    assert refused(fake)[1] == "UnrecognizedClientException"
