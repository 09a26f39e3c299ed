"""`providers.aws.storage`: what S3's refusals mean, and with what to mend them."""

import pytest

from batchway.domain.remote import Trouble
from batchway.providers.aws.place import Place
from batchway.providers.aws.storage import owner_of, reaches, storage_refusals_at
from batchway.providers.buckets.calls import Refusal

PLACE = Place(region="us-east-1", bucket="bucket-a")


@pytest.mark.parametrize(
    ("status", "code", "message", "trouble", "words"),
    [
        (
            403,
            "AccessDenied",
            "User: arn:aws:iam::123456789012:user/x is not authorized to perform: s3:PutObject on "
            'resource: "arn:aws:s3:::bucket-a/batchway/x"',
            Trouble.DENIED,
            ["s3:PutObject on resource", "s3:ListBucket on the bucket itself", "'bucket-a'"],
        ),
        (403, "", "", Trouble.DENIED, ["S3 refuses this.", "s3:ListBucket"]),
        (
            403,
            "AccessDenied",
            "... not authorized to perform: kms:GenerateDataKey on resource ...",
            Trouble.DENIED,
            ["kms:GenerateDataKey and kms:Decrypt"],
        ),
        (
            403,
            "InvalidAccessKeyId",
            "It does not exist.",
            Trouble.DENIED,
            ["check `access_key_id`"],
        ),
        (
            403,
            "SignatureDoesNotMatch",
            "The signature does not match.",
            Trouble.DENIED,
            ["check `secret_access_key`"],
        ),
        (403, "RequestTimeTooSkewed", "Too large.", Trouble.DENIED, ["set the clock"]),
        (400, "ExpiredToken", "It has expired.", Trouble.DENIED, ["get new credentials"]),
        (400, "InvalidToken", "It is malformed.", Trouble.DENIED, ["check `access_key_id`"]),
        (400, "KMS.DisabledException", "It is disabled.", None, ["check `kms_key`"]),
        (301, "PermanentRedirect", "Elsewhere.", Trouble.REFUSED, ["is not in 'us-east-1'"]),
        (404, "NoSuchBucket", "It does not exist.", None, ["It does not exist."]),
        (503, "SlowDown", "Please reduce your rate.", None, ["reduce"]),
    ],
)
def test_what_a_refusal_means(
    status: int, code: str, message: str, trouble: Trouble | None, words: list[str]
) -> None:
    ended: list[str] = []
    read = storage_refusals_at(PLACE, ended=lambda: ended.append(code))
    said = read("bucket-a", Refusal(status=status, fields={"Code": code, "Message": message}))
    assert said.trouble is trouble
    assert [word for word in words if word not in said.message] == []
    assert "123456789012" not in said.message
    assert "bucket-a/batchway" not in said.message
    # Of keys that are such no more, others are to be found.
    known = {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken"}
    assert ended == ([code] if code in known else [])


def test_the_owner_of_a_bucket() -> None:
    place = Place(region="us-east-1", bucket="bucket-a", bucket_owner="210987654321")
    assert owner_of(place) == {"x-amz-expected-bucket-owner": "210987654321"}
    assert owner_of(PLACE) == {}
    said = storage_refusals_at(place, ended=lambda: None)("b", Refusal(status=403, fields={}))
    assert "belongs to the account 210987654321 (`bucket_owner`)" in said.message


def test_jobs_use_buckets_of_their_own_region_alone() -> None:
    assert reaches("us-east-1", "us-east-1")
    assert not reaches("us-east-2", "us-east-1")


def test_where_s3_is() -> None:
    assert PLACE.storage == "https://s3.us-east-1.amazonaws.com"
    assert Place(region="cn-north-1").storage == "https://s3.cn-north-1.amazonaws.com.cn"
    assert Place(region="us-east-1", s3_url="http://s3").storage == "http://s3"
