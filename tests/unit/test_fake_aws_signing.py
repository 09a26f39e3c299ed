"""The fake's own Signature Version 4, held against the examples on AWS's pages."""

import dataclasses
from typing import Any

import pytest

from batchway.simulator.aws.signing import Malformed, Signed, canonical_request, claimed, holds

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "GET Object"
S3_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
GET_OBJECT = Signed(
    method="GET",
    path="/test.txt",
    query="",
    headers={
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": "20130524T000000Z",
        "authorization": (
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        ),
    },
    body=b"",
)
# The same page, "PUT Object": `$` is encoded in the canonical path.
PUT_OBJECT = Signed(
    method="PUT",
    path="/test$file.text",
    query="",
    headers={
        "date": "Fri, 24 May 2013 00:00:00 GMT",
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": (
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
        ),
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "authorization": (
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
            "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        ),
    },
    body=b"Welcome to Amazon S3.",
)
# The same page, "GET Bucket (List Objects)" with its query.
LIST_OBJECTS = Signed(
    method="GET",
    path="/",
    query="max-keys=2&prefix=J",
    headers={
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": "20130524T000000Z",
        "authorization": (
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
            "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        ),
    },
    body=b"",
)
EXAMPLES = {"get": GET_OBJECT, "put": PUT_OBJECT, "list": LIST_OBJECTS}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_page_hold(example: str) -> None:
    request = EXAMPLES[example]
    assert holds(request, claimed(request.headers), secret=S3_SECRET)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "HEAD"},
        {"path": "/test%2Etxt2"},
        {"query": "versionId=1"},
        {"body": b"another"},
        {"headers": {**GET_OBJECT.headers, "range": "bytes=0-8"}},
    ],
)
def test_what_was_changed_does_not(change: dict[str, Any]) -> None:
    request = dataclasses.replace(GET_OBJECT, **change)
    assert not holds(request, claimed(request.headers), secret=S3_SECRET)


def test_other_services_encode_the_path_of_the_wire_again() -> None:
    request = dataclasses.replace(
        GET_OBJECT, path="/model-invocation-job/arn%3Aaws%3Abedrock%3Ax%2Fy", query="b=2&a=1%2F3&c"
    )
    lines = canonical_request(request, names=["host"], service="bedrock", hash="-").split("\n")
    assert lines[:3] == [
        "GET",
        "/model-invocation-job/arn%253Aaws%253Abedrock%253Ax%252Fy",
        "a=1%2F3&b=2&c=",
    ]
    lines = canonical_request(request, names=["host"], service="s3", hash="-").split("\n")
    assert lines[1] == "/model-invocation-job/arn%3Aaws%3Abedrock%3Ax/y"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("AWS3 Credential=x", "Unsupported AWS 'algorithm'"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x", "requires 'Credential' parameter"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x",
            "exactly 5 slash-delimited elements",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20130524/r/s/aws4_request, SignedHeaders=x, Signature=x",
            "'Host' must be a 'SignedHeader'",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20130525/r/s/aws4_request, SignedHeaders=host, "
            "Signature=x",
            "Date in Credential scope does not match",
        ),
    ],
)
def test_headers_that_are_no_signature(header: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        claimed({"authorization": header, "x-amz-date": "20130524T000000Z"})
