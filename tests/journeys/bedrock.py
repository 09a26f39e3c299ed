"""The fake of AWS as a provider of the journeys."""

from typing import Any, Final

from tests.contract.aws_clients import client as aws_client
from tests.journeys.conftest import Configuration
from tests.journeys.lines import Line, jsonl

from batchway.simulator.aws import BedrockFake

REGION: Final = "us-east-1"
BUCKET: Final = "bucket-of-bedrock"
ROLE: Final = "arn:aws:iam::123456789012:role/batch"
CLAUDE: Final = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS: Final = "us.anthropic.claude-opus-4-1-20250805-v1:0"
NOVA: Final = "amazon.nova-lite-v1:0"
LLAMA: Final = "us.meta.llama3-3-70b-instruct-v1:0"
QUICK: Final = {"poll_min": 0.05, "poll_max": 0.3, "settle": 0.5, "lateness": 3}


def bedrock(fake: BedrockFake, name: str = "aws", **further: Any) -> Configuration:
    """The fake as a provider, with the keys that every fake knows, unless others are given."""
    own = {"access_key_id": fake.keys.id, "secret_access_key": fake.keys.secret}
    if {"access_key_id", "profile", "api_key"} & further.keys():
        own = {}
    return {
        "name": name,
        "type": "aws-bedrock",
        "region": REGION,
        "base_url": fake.url,
        "runtime_url": fake.url,
        "sts_url": fake.url,
        "s3_url": fake.s3_url,
        **own,
        **further,
        "native": {**QUICK, **further.get("native", {})},
    }


def named(asked: list[Line], model: str) -> dict[str, str]:
    """Every line was run by that model."""
    return {each["custom_id"]: model for each in asked}


def made_with_awss_client(
    fake: BedrockFake,
    name: str,
    rows: list[dict[str, Any]],
    *,
    model: str = CLAUDE,
    kind: str = "InvokeModel",
) -> tuple[str, str]:
    """The ARN of a job that was not made through Batchway, and where its input is."""
    given = f"s3://{BUCKET}/{name}/input.jsonl"
    fake.put(given, jsonl(rows))
    made = aws_client("bedrock", fake).create_model_invocation_job(
        jobName=name,
        roleArn=ROLE,
        modelId=model,
        modelInvocationType=kind,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": given}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/{name}/out/"}},
    )
    return made["jobArn"], given


def rows_of_nova(name: str, count: int) -> list[dict[str, Any]]:
    """Records of a job of Nova's, each with a prompt of its own."""
    return [
        {
            "recordId": f"{name}-{n}",
            "modelInput": {
                "schemaVersion": "messages-v1",
                "messages": [{"role": "user", "content": [{"text": f"Say {name} {n}"}]}],
            },
        }
        for n in range(count)
    ]


def nothing_is_left(fake: BedrockFake) -> None:
    """No object, and nothing that was run twice; jobs stay, since AWS removes none."""
    stats = fake.stats()
    assert fake.objects() == {}
    assert set(stats["creates_by_name"].values()) <= {1}
    assert set(stats["lines_by_digest"].values()) <= {1}
