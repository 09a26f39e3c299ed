"""What is Bedrock's own about jobs: tokens, signatures, S3's words, whose a bucket is.

Which mistakes are told how, `tests/journeys/test_bedrock_mistakes.py` has in whole.
"""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from tests import bedrock_fake
from tests.contract.remote_accounts import (
    BEDROCK_CALL,
    CHAT,
    TAG,
    Account,
    Impatient,
    bedrock_batches,
    opened,
    order,
)

from batchway.bootstrap.bedrock import bedrock_account
from batchway.domain.call import Call
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.status import BatchStatus
from batchway.providers.aws.jobs import Terms
from batchway.settings import BedrockSettings
from batchway.simulator.aws.handle import BedrockFake

pytestmark = pytest.mark.xdist_group("s3")

OTHER: Final = "210987654321"


@pytest.fixture
async def bedrock() -> AsyncGenerator[Account]:
    clock = Impatient()
    with bedrock_fake.running() as fake:
        async with opened(bedrock_batches(fake.base_url, clock=clock)) as batches:
            yield Account(name="bedrock", fake=fake, batches=batches, clock=clock)


def aws(account: Account) -> BedrockFake:
    """The fake in AWS's own words."""
    assert isinstance(account.fake, bedrock_fake.BedrockFake)
    return account.fake.aws


def bucket(account: Account) -> str:
    """Its bucket."""
    assert isinstance(account.fake, bedrock_fake.BedrockFake)
    return account.fake.bucket


# ----------------------------------------------------------------------------- one job


async def test_a_creation_made_again_is_the_same_job(bedrock: Account, tmp_path: Path) -> None:
    """Also where the list does not show it, which is how a lost answer is paid for twice."""
    aws(bedrock).control(list_lag=3_600.0, hold=["InProgress"])
    placed = order(bedrock.batches, tmp_path)
    job = await bedrock.batches.submit(placed)
    assert await bedrock.batches.find(TAG, since=0) is None

    again = await bedrock.batches.submit(order(bedrock.batches, tmp_path, resumed=True))

    assert again.id == job.id
    assert len(aws(bedrock).stats()["creates"]) == 1


async def test_a_creation_on_other_terms_is_looked_for(bedrock: Account, tmp_path: Path) -> None:
    """A token that was used with another configuration, and a name that is in use."""
    placed = order(bedrock.batches, tmp_path)
    job = await bedrock.batches.submit(placed)
    clock = Impatient()
    others = bedrock_batches(
        bedrock.fake.base_url, clock=clock, terms=Terms(role=bedrock_fake.ROLE, hours=72)
    )
    async with opened(others) as batches:
        with pytest.raises(RemoteError) as caught:
            await batches.submit(order(batches, tmp_path, resumed=True))
        assert caught.value.trouble is Trouble.UNCERTAIN
        found = await batches.find(TAG, since=0)
    assert found is not None
    assert found.id == job.id

    aws(bedrock).trouble(
        {
            "on": "create",
            "status": 400,
            "message": "The provided job name is currently in use.",
            "times": 1,
        }
    )
    with pytest.raises(RemoteError) as caught:
        await bedrock.batches.submit(order(bedrock.batches, tmp_path, resumed=True))
    assert caught.value.trouble is Trouble.UNCERTAIN


async def test_an_input_that_is_gone_is_brought_again(bedrock: Account, tmp_path: Path) -> None:
    placed = order(bedrock.batches, tmp_path)
    with pytest.raises(RemoteError) as caught:
        await bedrock.batches.jobs.create(
            placed, f"s3://{bucket(bedrock)}/batchway/{TAG}/input.jsonl"
        )
    assert caught.value.trouble is Trouble.NOT_FOUND
    assert aws(bedrock).brief()["creates"] == []


async def test_no_role_and_no_bucket(bedrock: Account, tmp_path: Path) -> None:
    origins = bedrock.fake.base_url.rpartition(" ")[0]
    for terms, where, code, words in (
        (Terms(), bedrock.fake.base_url, "no_role", "set `role_arn`"),
        (None, f"{origins} -", "no_bucket", "x-tfy-aws-s3-bucket"),
    ):
        without = bedrock_batches(where, clock=Impatient(), terms=terms)
        async with opened(without) as batches:
            with pytest.raises(RemoteError) as caught:
                await batches.submit(order(batches, tmp_path))
        assert (caught.value.trouble, caught.value.code) == (Trouble.REFUSED, code)
        assert words in caught.value.message


async def test_an_api_key_alone_cannot_bring_a_file(
    bedrock: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 takes no such key: which credentials are missing, and for what, is told."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    control, s3_url, own = bedrock.fake.base_url.split()
    settings = BedrockSettings(
        name="aws",
        type="aws-bedrock",
        region=bedrock_fake.REGION,
        api_key=SecretStr(aws(bedrock).bearer()),
        bucket=own,
        role_arn=bedrock_fake.ROLE,
        base_url=control,
        s3_url=s3_url,
    )
    account = bedrock_account(settings, clock=Impatient())
    try:
        jobs = account.jobs(BEDROCK_CALL)
        assert jobs is not None
        assert await jobs.unfinished() == 0  # what needs no S3
        with pytest.raises(RemoteError) as caught:
            await jobs.bring(order(bedrock.batches, tmp_path))
    finally:
        await account.close()
    assert (caught.value.trouble, caught.value.advised) == (Trouble.DENIED, True)
    assert caught.value.message.startswith(
        "No credentials of AWS for the provider 'aws' to use S3 with, which takes no `api_key`: "
        "there are no credentials: set `access_key_id`"
    )
    assert aws(bedrock).objects() == {}


@pytest.mark.parametrize(
    ("name", "status", "trouble"),
    [
        ("ServiceQuotaExceededException", 400, Trouble.NO_ROOM),
        ("ThrottlingException", 429, Trouble.BUSY),
        ("InternalServerException", 500, Trouble.UNCERTAIN),
        ("ResourceNotFoundException", 404, Trouble.REFUSED),
        ("ValidationException", 400, Trouble.REFUSED),
        ("AccessDeniedException", 403, Trouble.DENIED),
    ],
)
async def test_what_a_refused_creation_means(
    bedrock: Account, tmp_path: Path, *, name: str, status: int, trouble: Trouble
) -> None:
    placed = order(bedrock.batches, tmp_path)
    reference = await bedrock.batches.jobs.bring(placed)
    aws(bedrock).trouble({"on": "create", "status": status, "name": name, "message": "No."})
    with pytest.raises(RemoteError) as caught:
        await bedrock.batches.jobs.create(placed, reference)
    assert (caught.value.trouble, caught.value.code) == (trouble, name)


# ----------------------------------------------------------------------------- signatures


@pytest.mark.parametrize("skew", [7_200.0, -7_200.0])
async def test_a_clock_that_is_off(bedrock: Account, tmp_path: Path, skew: float) -> None:
    """Of Bedrock; obstore signs with this machine's clock."""
    aws(bedrock).control(hold=["InProgress"])
    job = await bedrock.batches.submit(order(bedrock.batches, tmp_path))
    aws(bedrock).control(clock_skew=skew)
    assert await bedrock.batches.jobs.unfinished() == 1
    aws(bedrock).control(clock_skew=0.0)
    assert (await bedrock.batches.fetch(job.id)).id == job.id
    requests = aws(bedrock).brief()["answers"]
    assert requests["jobs 403"] == 1


async def test_an_environment_of_others_changes_nothing(
    bedrock: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "AKIASOMEBODYELSES",
        "AWS_SECRET_ACCESS_KEY": "somebody-elses",
        "AWS_SESSION_TOKEN": "somebody-elses",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_S3_EXPRESS": "true",
        "AWS_REQUEST_PAYER": "true",
    }.items():
        monkeypatch.setenv(name, value)
    job = await bedrock.ended((await bedrock.batches.submit(order(bedrock.batches, tmp_path))).id)
    assert len(await bedrock.rows(job)) == 3
    await bedrock.batches.clean(job, tag=TAG)
    assert aws(bedrock).objects() == {}


async def test_whose_a_bucket_has_to_be(bedrock: Account, tmp_path: Path) -> None:
    strict = bedrock_batches(bedrock.fake.base_url, clock=Impatient(), owner=OTHER)
    async with opened(strict) as batches:
        with pytest.raises(RemoteError) as caught:
            await batches.submit(order(batches, tmp_path))
    assert caught.value.trouble is Trouble.DENIED
    assert f"belongs to the account {OTHER} (`bucket_owner`)" in caught.value.message
    assert aws(bedrock).objects() == {}


async def test_another_bucket_of_another_region(bedrock: Account, tmp_path: Path) -> None:
    theirs = aws(bedrock).make_bucket("bucket-of-frankfurt", region="eu-central-1")
    provider = bedrock_batches(bedrock.fake.base_url, clock=Impatient())
    jobs = provider.jobs(Call(CHAT, BEDROCK_CALL.model, Overrides(s3_bucket=theirs)))
    assert jobs is not None
    with pytest.raises(RemoteError) as caught:
        await jobs.bring(order(bedrock.batches, tmp_path))
    assert (caught.value.trouble, caught.value.code) == (
        Trouble.REFUSED,
        "bucket_in_another_region",
    )
    await provider.close()


async def test_a_look_that_is_refused_may_be_at_what_is_not_there(
    bedrock: Account, tmp_path: Path
) -> None:
    """Without s3:ListBucket, S3 answers 403 in place of 404, without a word."""
    aws(bedrock).trouble({"on": "object", "status": 403})
    with pytest.raises(RemoteError) as caught:
        await bedrock.batches.submit(order(bedrock.batches, tmp_path, resumed=True))
    assert caught.value.trouble is Trouble.DENIED
    assert "s3:ListBucket on the bucket itself" in caught.value.message


async def test_keys_of_a_session_that_has_ended(bedrock: Account, tmp_path: Path) -> None:
    aws(bedrock).trouble(
        {"on": "objects", "status": 400, "name": "ExpiredToken", "message": "It has expired."}
    )
    with pytest.raises(RemoteError) as caught:
        await bedrock.batches.submit(order(bedrock.batches, tmp_path))
    assert caught.value.trouble is Trouble.DENIED
    assert "get new credentials" in caught.value.message


# ----------------------------------------------------------------------------- looked up


async def test_a_job_in_openais_terms(bedrock: Account, tmp_path: Path) -> None:
    aws(bedrock).control(
        shards=2, fail_rows={"429": ["r0000000001"]}, counts="absent", empty_files=True
    )
    job = await bedrock.ended((await bedrock.batches.submit(order(bedrock.batches, tmp_path))).id)
    archive = bedrock.batches.archive

    for asked in (job.id, quote(job.id, safe="")):
        shown = await archive.job(asked)
        assert (shown.id, shown.status, shown.endpoint, shown.model) == (
            job.id,
            BatchStatus.COMPLETED,
            CHAT,
            BEDROCK_CALL.model,
        )
        assert shown.metadata == {"batchway": TAG}
        assert shown.counts is not None
        assert (shown.counts.completed, shown.counts.failed) == (2, 1)
        assert shown.expires_at is not None
    found = await archive.find(TAG, since=0)
    assert found is not None
    assert found.output_file_id == shown.output_file_id
    assert shown.output_file_id is not None

    file = await archive.file(shown.output_file_id)
    assert file.filename.startswith(TAG)
    data = b"".join([piece async for piece in archive.content(shown.output_file_id)])
    lines = [json.loads(line) for line in data.splitlines()]
    assert {line["custom_id"]: line["response"]["status_code"] for line in lines} == {
        "r0000000000": 200,
        "r0000000001": 429,
        "r0000000002": 200,
    }


@pytest.mark.parametrize(
    ("job_id", "words"),
    [
        ("abcdefghijkl", "knows jobs by their whole ARNs"),
        ("arn:aws:bedrock:eu-west-1:123456789012:model-invocation-job/abcdefghijkl", "nothing"),
    ],
)
async def test_what_can_be_no_job_here_is_not_asked_for(
    bedrock: Account, job_id: str, words: str
) -> None:
    with pytest.raises(RemoteError) as caught:
        await bedrock.batches.archive.job(job_id)
    assert caught.value.trouble is Trouble.NOT_FOUND
    assert words in caught.value.message
    assert aws(bedrock).brief()["requests"].get("job", 0) == 0


async def test_an_account_shows_nothing_of_its_keys(bedrock: Account, tmp_path: Path) -> None:
    keys = aws(bedrock).session()
    assert keys.token is not None
    provider = bedrock_batches(bedrock.fake.base_url, clock=Impatient(), keys=keys)
    assert keys.secret not in repr(provider)
    assert provider.archive(NO_OVERRIDES) is not None
    aws(bedrock).trouble(
        {"on": "create", "status": 400, "message": f"Not with the token {keys.token}."}
    )
    async with opened(provider) as batches:
        with pytest.raises(RemoteError) as caught:
            await batches.submit(order(batches, tmp_path))
    assert "Not with the token ***." in caught.value.message
    await provider.close()
