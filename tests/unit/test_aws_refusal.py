"""What AWS's refusals mean and advise: each mistake of a set-up, as AWS words it."""

import json

import pytest
from tests.unit.dispatch_world import FakeAnswer

from batchway.dispatch.fault import Fault, Heard, setback_of
from batchway.domain.remote import Trouble
from batchway.ports import Refused
from batchway.providers.aws.advice import Called
from batchway.providers.aws.discretion import discreet
from batchway.providers.aws.notes import AwsNotes
from batchway.providers.aws.place import Place
from batchway.providers.aws.refusal import kind_of, reader
from batchway.providers.aws.signing import BearerKey

PLACE = Place(region="eu-central-1", bucket="b-1")
MODEL = "anthropic.claude-sonnet-4-6"
ME = "arn:aws:sts::123456789012:assumed-role/gateway/i-0abc"
READ = Refused(status=400, code="", kind="", message="", of_account=False, body=b"{}")


def _notes(place: Place = PLACE) -> AwsNotes:
    return AwsNotes(
        called=Called(place=place, model=MODEL), authorization=BearerKey(provider="p", api_key="k")
    )


def _answer(status: int, kind: str, message: str, *, field: str = "message") -> FakeAnswer:
    header = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return FakeAnswer(status, json.dumps({field: message}).encode(), header)


@pytest.mark.parametrize(
    ("status", "kind", "message", "fault", "advice"),
    [
        (429, "ThrottlingException", "Too many requests, please wait before trying again.",
         Fault.THROTTLED, "a quota of the account in 'eu-central-1' is used up, or AWS has no room "
         "there: ask for a higher quota (Service Quotas), lower `limits`, or name an inference "
         "profile that runs in several regions"),
        (400, "ThrottlingException", "Rate exceeded", Fault.THROTTLED, ...),
        (400, "ServiceQuotaExceededException", "...", Fault.THROTTLED, ...),
        (429, "ModelNotReadyException", "Model is not ready for inference.", Fault.THROTTLED, ...),
        (503, "ServiceUnavailableException", "Bedrock is unable to process your request.",
         Fault.UNAVAILABLE, ""),
        (500, "InternalServerException", "", Fault.BROKEN, ""),
        (408, "ModelTimeoutException", "", Fault.BROKEN, ""),
        (424, "ModelErrorException", "The system encountered an unexpected error.",
         Fault.BROKEN, ""),
        (400, "ValidationException", "messages: roles must alternate", Fault.REJECTED, ""),
        (400, "ValidationException", "Malformed input request: #: required key [max_tokens] not "
         "found, please reformat your input and try again.", Fault.REJECTED, ""),
        (400, "ValidationException", f"Invocation of model ID {MODEL} with on-demand throughput "
         "isn’t supported. Retry your request with the ID or ARN of an inference profile that "
         "contains this model.", Fault.DENIED, "call the model by an inference profile: put its "
         "id, such as 'eu.anthropic.claude-sonnet-4-6', or its ARN in place of the model's"),
        (400, "ValidationException", "The provided model identifier is invalid.", Fault.DENIED,
         "check the model's id, and that it is offered in 'eu-central-1' (`region`); an inference "
         "profile runs in its own geography only, here 'eu.'"),
        (403, "AccessDeniedException", "You don't have access to the model with the specified "
         "model ID.", Fault.DENIED, "request access to the model in the Bedrock console of "
         "'eu-central-1' (Model access), or set `region` to one where the account has it"),
        (403, "AccessDeniedException", "Model access is denied due to IAM user or service role is "
         "not authorized to perform the required AWS Marketplace actions "
         "(aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this "
         "model.", Fault.DENIED, "allow these credentials aws-marketplace:Subscribe and "
         "aws-marketplace:ViewSubscriptions, or have somebody who is allowed call the model once"),
        (403, "AccessDeniedException", f"User: {ME} is not authorized to perform: "
         "bedrock:InvokeModel on resource: arn:aws:bedrock:eu-central-1::foundation-model/x "
         "because no identity-based policy allows the bedrock:InvokeModel action", Fault.ACCOUNT,
         "allow these credentials bedrock:InvokeModel on the model in 'eu-central-1' and, where it "
         "is called by an inference profile, on the profile and on the model in each of the "
         "profile's regions"),
        (403, "AccessDeniedException", f"User: {ME} is not authorized to perform: "
         "bedrock:InvokeModel with an explicit deny in a service control policy", Fault.ACCOUNT,
         "a policy of AWS denies these credentials bedrock:InvokeModel: remove that"),
        (403, "AccessDeniedException", "User is not authorized to perform: kms:Decrypt on resource",
         Fault.ACCOUNT, "allow these credentials kms:Decrypt"),
        (403, "AccessDeniedException", "The S3 object s3://theirs/cat.png cannot be read.",
         Fault.DENIED, ""),
        (404, "ResourceNotFoundException", "Model use case details have not been submitted for "
         "this account. Fill out the Anthropic use case details form before using the model.",
         Fault.DENIED, "fill in the use case details for Anthropic's models, once for the account: "
         "in the Bedrock console under Model catalog"),
        (404, "ResourceNotFoundException", "This model version has reached the end of its life.",
         Fault.DENIED, "name a model that AWS still runs"),
        (404, "ResourceNotFoundException", "Could not resolve the foundation model from the model "
         "identifier.", Fault.DENIED, ...),
        (403, "ExpiredTokenException", "The security token included in the request is expired",
         Fault.ACCOUNT, "get new credentials: the session behind `session_token` or `profile` has "
         "ended"),
        (403, "UnrecognizedClientException", "The security token included in the request is "
         "invalid.", Fault.ACCOUNT, "check `access_key_id`, or `session_token` beside it: AWS does "
         "not know them (any more)"),
        (403, "InvalidSignatureException", "The request signature we calculated does not match the "
         "signature you provided.", Fault.ACCOUNT,
         "check `secret_access_key`: it is not that of `access_key_id`"),
        (400, "IncompleteSignatureException", "...", Fault.ACCOUNT,
         "check `access_key_id` and `secret_access_key`"),
        (403, "MissingAuthenticationTokenException", "Missing Authentication Token", Fault.ACCOUNT,
         ...),
        (403, "InvalidSignatureException", "Signature expired: 20261128T110000Z is now earlier "
         "than 20261128T115500Z (20261128T120000Z - 5 min.)", Fault.ACCOUNT,
         "set the clock of this machine"),
        (403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is "
         "valid.", Fault.ACCOUNT, "check `api_key`: AWS does not take it (any more)"),
        (403, "AccessDeniedException", "Bearer Token has expired", Fault.ACCOUNT,
         "check `api_key`: AWS does not take it (any more)"),
    ],
)  # fmt: skip
def test_a_refusal_is_somebodys_and_says_what_to_do(
    status: int, kind: str, message: str, fault: Fault, advice: object
) -> None:
    notes = _notes()
    answer = _answer(status, kind, message)
    told = notes.refusal(answer, READ)
    setback = setback_of(Heard(answer, told, notes))
    assert (setback.fault, setback.code) == (fault, kind)
    if advice is ...:
        assert setback.advice
    else:
        assert setback.advice == advice
    error = json.loads(told.body)["error"]
    assert error["code"] == kind
    assert "123456789012" not in error["message"]
    if told.advice:
        assert error["message"].endswith(f"To mend it: {told.advice}.")


def test_both_spellings_of_a_message_are_read() -> None:
    for field in ("message", "Message"):
        told = _notes().refusal(_answer(400, "ValidationException", "no", field=field), READ)
        assert told.message == "no"


@pytest.mark.parametrize(
    ("header", "body", "kind"),
    [
        ("ThrottlingException", b"{}", "ThrottlingException"),
        ("ThrottlingException:http://x/", b"{}", "ThrottlingException"),
        (None, b'{"__type":"com.amazon.coral.service#UnrecognizedClientException"}',
         "UnrecognizedClientException"),
        (None, b'{"__type":"ThrottlingException"}', "ThrottlingException"),
        (None, b'{"message":"x"}', ""),
        (None, b"<html>", ""),
        (None, b'{"__type":7}', ""),
        ("Not a word!", b"{}", ""),
    ],
)  # fmt: skip
def test_where_an_exception_is_named(header: str | None, body: bytes, kind: str) -> None:
    assert kind_of(header, body) == kind


@pytest.mark.parametrize(
    ("region", "profile"),
    [
        ("us-west-2", "us."),
        ("ap-northeast-1", "apac."),
        ("us-gov-west-1", "us-gov."),
        ("sa-east-1", "global."),
    ],
)
def test_the_profile_is_one_of_the_regions_geography(region: str, profile: str) -> None:
    message = "Invocation of model ID x with on-demand throughput isn't supported."
    told = _notes(Place(region=region)).refusal(_answer(400, "ValidationException", message), READ)
    assert f"'{profile}{MODEL}'" in told.advice


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"User: {ME} is not authorized", "User: *** is not authorized"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x",
         "arn:aws:bedrock:us-east-1:***:inference-profile/us.x"),
        ("no access to s3://b-1/batchway/x.jsonl.", "no access to ***."),
        ("no access to s3://theirs/x.jsonl", "no access to s3://theirs/x.jsonl"),
        ("arn:aws:s3:::b-1/batchway/x", "***"),
        ("the bucket b-1 is in us-east-1", "the bucket b-1 is in us-east-1"),
        ("123456789012 tokens", "123456789012 tokens"),
    ],
)  # fmt: skip
def test_the_operators_names_are_cut_out(said: str, shown: str) -> None:
    assert discreet(said, "b-1") == shown


@pytest.mark.parametrize(
    ("kind", "message", "trouble", "advised"),
    [
        ("ThrottlingException", "Rate exceeded", Trouble.BUSY, True),
        ("ServiceQuotaExceededException", "too many jobs", Trouble.NO_ROOM, True),
        ("AccessDeniedException", f"User: {ME} is not authorized to perform: iam:PassRole on "
         "resource: arn:aws:iam::123456789012:role/r", Trouble.DENIED, True),
        ("ExpiredTokenException", "expired", Trouble.DENIED, True),
        ("ValidationException", "The provided ARN is invalid", None, False),
        ("ConflictException", "in use", None, False),
    ],
)  # fmt: skip
def test_errors_of_the_batch_api(
    kind: str, message: str, trouble: Trouble | None, *, advised: bool
) -> None:
    said = reader(Called(place=PLACE))(
        json.dumps({"message": message}).encode(), {"x-amzn-errortype": kind}.get
    )
    assert (said.code, said.trouble, said.advised) == (kind, trouble, advised)
    assert "123456789012" not in said.message
