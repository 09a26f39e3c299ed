"""Mistakes of a set-up for Bedrock's jobs: what can be mended holds a batch up, the rest fails it.

One server for each kind, with a fake and a bucket for each mistake.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

import openai
import pytest
from openai.types import Batch
from tests.journeys.bedrock import CLAUDE, NOVA, ROLE, bedrock, named, nothing_is_left
from tests.journeys.conftest import Configuration, NewServer
from tests.journeys.lines import chats, completed, ended, results, submit
from tests.journeys.processes import eventually

from batchway.simulator.aws import BedrockFake, running

pytestmark = pytest.mark.xdist_group("s3")

LEAST: Final = 100
Dials = dict[str, Any]


def entry(fake: BedrockFake, name: str, **further: Any) -> Configuration:
    """A provider in the mode `native`, with a bucket of its own."""
    bucket = f"bucket-{name}"
    fake.make_bucket(bucket)
    return bedrock(
        fake, name=name, **{"mode": "native", "bucket": bucket, "role_arn": ROLE, **further}
    )


@pytest.fixture
def fakes() -> Iterator[Callable[[Dials], BedrockFake]]:
    with ExitStack() as stack:
        yield lambda dials: stack.enter_context(running(**dials))


# What is wrong, what of the configuration goes with it, and which words tell it.
FAILING: Final[list[tuple[str, Dials, Dials, list[str]]]] = [
    ("no-model", {"no_such_model": [CLAUDE]}, {}, ["check the model's id", "'us-east-1'"]),
    (
        "profile",
        {"profile_only": [NOVA]},
        {},
        ["call the model by an inference profile", f"'us.{NOVA}'"],
    ),
    ("no-bucket", {}, {"bucket": "bucket-of-nobody"}, ["There is no bucket 'bucket-of-nobody'"]),
    ("elsewhere", {}, {"bucket": "bucket-of-europe"}, ["is in 'eu-west-1'", "jobs in 'us-east-1'"]),
    (
        "role-read",
        {"bucket_denied": ["role_read"]},
        {},
        [
            "GetObject",
            "allow the role `role_arn`",
            "s3:ListBucket on the bucket 'bucket-role-read'",
        ],
    ),
    (
        "role-write",
        {"bucket_denied": ["role_write"]},
        {},
        ["PutObject", "allow the role `role_arn`", "s3:PutObject", "'bucket-role-write'"],
    ),
    (
        "role-model",
        {"role_invokes": False},
        {},
        ["permissions to invokeModel", "allow the role `role_arn` bedrock:InvokeModel"],
    ),
    ("quota", {"min_records": 200}, {}, ["required minimum of: 200", "(`mode: managed`)"]),
]


def test_mistakes_that_fail_a_batch_say_what_to_do(
    fakes: Callable[[Dials], BedrockFake], new_server: NewServer
) -> None:
    """Each in a batch of its own, at the same time."""
    made = {name: fakes(dials) for name, dials, _, _ in FAILING}
    entries = [entry(made[name], name, **further) for name, _, further, _ in FAILING]
    made["elsewhere"].make_bucket("bucket-of-europe", region="eu-west-1")
    client = new_server(*entries).client()
    batches: dict[str, Batch] = {}
    for name, dials, _, _ in FAILING:
        model = NOVA if "profile_only" in dials else CLAUDE
        headers = {"x-tfy-provider-name": name}
        batches[name] = submit(client, chats(LEAST, name, model=model), extra_headers=headers)
    for name, _, _, words in FAILING:
        said = _said(client, ended(client, batches[name]))
        assert [word for word in words if word not in said] == [], f"{name}: {said}"
        assert "123456789012" not in said, name
        assert made[name].objects() == {}, name


MENDABLE: Final[list[tuple[str, Dials, list[str]]]] = [
    (
        "write",
        {"bucket_denied": ["caller_write"]},
        ["s3:PutObject", "allow these credentials", "'bucket-write'"],
    ),
    (
        "read",
        {"bucket_denied": ["caller_read"]},
        ["s3:ListBucket", "allow these credentials", "'bucket-read'"],
    ),
    ("delete", {"bucket_denied": ["caller_delete"]}, ["s3:DeleteObject", "'bucket-delete'"]),
    (
        "create",
        {"denied": ["bedrock:CreateModelInvocationJob"]},
        ["allow these credentials bedrock:CreateModelInvocationJob"],
    ),
    (
        "pass",
        {"denied": ["iam:PassRole"]},
        ["allow these credentials iam:PassRole on the role `role_arn`"],
    ),
    (
        "trust",
        {"untrusted_role": True},
        ["check `role_arn`", "trust policy", "bedrock.amazonaws.com", "sts:AssumeRole"],
    ),
    ("access", {"no_access": [CLAUDE]}, ["request access to the model", "'us-east-1'"]),
    ("keys", {"revoked": True}, ["check `access_key_id`"]),
    ("room", {"max_jobs": 0}, ["a quota of the account in 'us-east-1'"]),
]


def test_mistakes_that_can_be_mended_hold_a_batch_up_and_say_how(
    fakes: Callable[[Dials], BedrockFake], new_server: NewServer
) -> None:
    """What waits for room does so at a route with another account as its fallback, too."""
    made = {name: fakes({}) for name, _, _ in MENDABLE}
    room, spare = ({"provider": name, "model": CLAUDE} for name in ("room", "spare"))
    made["spare"] = fakes({})
    server = new_server(
        *(entry(fake, name) for name, fake in made.items()),
        routes=[{"model": "routed", "targets": [room, {**spare, "fallback": True}]}],
    )
    client = server.client()
    asked = chats(LEAST, model=CLAUDE)
    batches: dict[str, Batch] = {}
    for name, dials, _ in MENDABLE:
        made[name].control(**dials)
        if name == "room":
            batches[name] = submit(client, chats(LEAST, model="routed"))
        else:
            batches[name] = submit(client, asked, extra_headers={"x-tfy-provider-name": name})

    for name, _, words in MENDABLE:

        def told(name: str = name, words: list[str] = words) -> bool:
            now = client.batches.retrieve(batches[name].id)
            said = str(now.to_dict()["status_details"] or "")
            assert "123456789012" not in said, said
            return all(word in said for word in words)

        eventually(f"what holds up {name}", told)
    for name, dials, _ in MENDABLE:
        usual: Dials = {one: 20 if one == "max_jobs" else type(was)() for one, was in dials.items()}
        made[name].control(**usual)
    for name, batch in batches.items():
        completed(client, batch, asked, models=named(asked, CLAUDE))
        nothing_is_left(made[name])
    stats = made["spare"].stats()
    assert (stats["creates"], stats["online"]) == ([], 0)
    assert made["keys"].keys.secret not in server.process.output()


def _said(client: openai.OpenAI, batch: Batch) -> str:
    """Why a batch, or all of its lines, came to nothing."""
    if batch.errors is not None and batch.errors.data:
        return "\n".join(error.message or "" for error in batch.errors.data)
    return json.dumps(results(client, batch).errors)
