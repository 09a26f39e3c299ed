"""The official clients of AWS on the fake, and steps with them."""

import json
import time
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config

from batchway.simulator.aws import BedrockFake, KeyPair

REGION: Final = "us-east-1"
CLAUDE: Final = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA: Final = "amazon.nova-lite-v1:0"
ROLE: Final = "arn:aws:iam::123456789012:role/BedrockBatch"


@cache
def _session() -> Any:
    return boto3.Session()


def client(
    service: str,
    fake: BedrockFake,
    *,
    keys: KeyPair | None = None,
    region: str = REGION,
    attempts: int = 1,
) -> Any:
    """A client that signs with static keys, and asks once unless told otherwise."""
    keys = keys or fake.keys
    return _session().client(
        service,
        endpoint_url=fake.s3_url if service == "s3" else fake.url,
        region_name=region,
        aws_access_key_id=keys.id,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token,
        config=Config(
            retries={"total_max_attempts": attempts, "mode": "standard"},
            s3={"addressing_style": "path"},
        ),
    )


def body(number: int) -> dict[str, Any]:
    """A body of Claude's."""
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": f"Line {number}: é漢😀"}],
    }


def openai_line(number: int, *, model: str = CLAUDE) -> dict[str, Any]:
    """What a caller had written for `body(number)`."""
    return {
        "model": model,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": f"Line {number}: é漢😀"}],
    }


def record(number: int, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A line of a job's input."""
    return {
        "recordId": f"r{number:010}",
        "modelInput": body(number) if given is None else given,
    }


def jsonl(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Records as a file."""
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in records)


def asked(bucket: str, **further: Any) -> dict[str, Any]:
    """The arguments of a creation."""
    return {
        "jobName": "gw-batch-68f0-s0",
        "roleArn": ROLE,
        "modelId": CLAUDE,
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": f"s3://{bucket}/in/s0.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{bucket}/out/"}},
        **further,
    }


def submit(
    fake: BedrockFake, bucket: str, records: Iterable[Mapping[str, Any]], **further: Any
) -> str:
    """Lay down an input and make a job of it; answers its ARN."""
    fake.put(f"s3://{bucket}/in/s0.jsonl", jsonl(records))
    made = client("bedrock", fake).create_model_invocation_job(**asked(bucket, **further))
    return made["jobArn"]


def look(fake: BedrockFake, arn: str) -> dict[str, Any]:
    """A job as it is now."""
    return client("bedrock", fake).get_model_invocation_job(jobIdentifier=arn)


def ended(fake: BedrockFake, arn: str) -> dict[str, Any]:
    """A job once it has ended."""
    bedrock = client("bedrock", fake)
    deadline = time.monotonic() + 20
    while True:
        job = bedrock.get_model_invocation_job(jobIdentifier=arn)
        if "endTime" in job:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.01)


def output(fake: BedrockFake, bucket: str) -> dict[str, bytes]:
    """The output of the jobs of a bucket: bytes by the last part of the key."""
    found = [uri for uri in fake.objects() if uri.startswith(f"s3://{bucket}/out/")]
    return {uri.rpartition("/")[2]: fake.read(uri) for uri in found}


def rows_of(fake: BedrockFake, bucket: str) -> list[dict[str, Any]]:
    """The rows of every file but the manifest."""
    return [
        json.loads(line)
        for name, data in output(fake, bucket).items()
        if name != "manifest.json.out"
        for line in data.splitlines()
    ]
