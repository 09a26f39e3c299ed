"""Settings of AWS Bedrock: what they tell of models and jobs, and what in them cannot stand."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.settings import BedrockSettings, SettingsError, load

ROLE = "arn:aws:iam::123456789012:role/batch"
ROLED = f"role_arn: '{ROLE}'"
CHAT, EMBEDDINGS, RESPONSES = "/v1/chat/completions", "/v1/embeddings", "/v1/responses"
CLAUDE = "us.anthropic.claude-sonnet-4-6"
OWN = "arn:aws:bedrock:us-east-1:123456789012:"


def _load(folder: Path, more: str = "") -> BedrockSettings:
    entry = f"{{name: v, type: aws-bedrock, region: us-east-1, {more}}}"
    (folder / "batchway.yaml").write_text(f"providers: [{entry}]")
    (provider,) = load(None, {}, {}, folder).providers
    assert isinstance(provider, BedrockSettings)
    return provider


@pytest.mark.parametrize(
    ("more", "model", "overrides", "lines"),
    [
        (f"bucket: bbb, {ROLED}", CLAUDE, NO_OVERRIDES, (100, 50_000)),
        (f"bucket: bbb, {ROLED}", "cohere.embed-v4:0", NO_OVERRIDES, None),
        (f"bucket: bbb, {ROLED}", "gpt-4o", NO_OVERRIDES, None),
        (f"bucket: bbb, {ROLED}, models: {{'*/x': nova}}", f"{OWN}provisioned-model/x",
         NO_OVERRIDES, None),
        # Without a bucket and a role there are jobs only where there must be, or for a bucket of
        # the batch's.
        ("bucket: bbb", CLAUDE, NO_OVERRIDES, None),
        (ROLED, CLAUDE, NO_OVERRIDES, None),
        (ROLED, CLAUDE, Overrides(s3_bucket="bbb"), (100, 50_000)),
        (f"mode: native, {ROLED}", CLAUDE, NO_OVERRIDES, (100, 50_000)),
    ],
)  # fmt: skip
def test_what_jobs_of_a_model_hold(
    tmp_path: Path, more: str, model: str, overrides: Overrides, *, lines: tuple[int, int] | None
) -> None:
    traits = _load(tmp_path, more).traits_of(model, overrides)
    assert (traits and (traits.min_lines, traits.max_lines)) == lines


@pytest.mark.parametrize(
    ("model", "endpoint", "why"),
    [
        (CLAUDE, CHAT, None),
        (CLAUDE, RESPONSES, None),
        ("mine", CHAT, None),
        ("amazon.titan-embed-text-v2:0", EMBEDDINGS, None),
        (f"{OWN}inference-profile/{CLAUDE}", CHAT, None),
        (CLAUDE, EMBEDDINGS,
         "The provider 'v' runs it with /v1/chat/completions and /v1/responses only."),
        ("gpt-4o", CHAT, "The provider 'v' cannot run it: Nothing is known of a model of this name "
         "on AWS Bedrock: write the model's id, such as anthropic.claude-sonnet-4-6, or the id or "
         "ARN of an inference profile, or say what it speaks in the provider's `models`."),
        (f"{OWN}application-inference-profile/a1", CHAT, "The provider 'v' cannot run it: The ARN "
         "of an application inference profile does not say what its model speaks: say it in the "
         'provider\'s `models`, such as `{"application-inference-profile/ID": anthropic}`.'),
        ("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0", CHAT,
         "The provider 'v' runs models in 'us-east-1', and this ARN is one of 'eu-west-1': name "
         "the model there, or an inference profile of it."),
        ("arn:aws:bedrock:us-east-1:210987654321:inference-profile/us.amazon.nova-lite-v1:0", CHAT,
         "The provider 'v' runs models of its own account only."),
        ("anthropic.claude/../x", CHAT, "The provider 'v' cannot run it: The name of the model "
         "cannot stand in an address."),
    ],
)  # fmt: skip
def test_what_speaks_against_a_model(
    tmp_path: Path, model: str, endpoint: str, why: str | None
) -> None:
    settings = _load(tmp_path, f"{ROLED}, models: {{mine: converse}}")
    assert settings.objection(model, endpoint) == why
    assert (settings.misnamed(model) is None) is (why is None or "cannot run it" not in why)


def test_why_there_are_no_jobs(tmp_path: Path) -> None:
    settings = _load(tmp_path, "models: {'*/x': nova}")
    why = "AWS Bedrock has no jobs for it: they run foundation models and profiles."
    assert settings.no_jobs(f"{OWN}imported-model/x", NO_OVERRIDES) == why
    assert settings.no_jobs("cohere.embed-v4:0", NO_OVERRIDES) == why
    assert settings.no_jobs("gpt-4o", NO_OVERRIDES) is None
    assert settings.no_jobs(CLAUDE, NO_OVERRIDES) == "It has no role for them: set `role_arn`."
    roled = _load(tmp_path, ROLED)
    bucketless = "It has no bucket for them: set `bucket`, or send the header x-tfy-aws-s3-bucket."
    assert roled.no_jobs(CLAUDE, NO_OVERRIDES) == bucketless
    assert roled.no_jobs(CLAUDE, Overrides(s3_bucket="b")) is None
    assert _load(tmp_path, f"{ROLED}, bucket: bucket-b").no_jobs(CLAUDE, NO_OVERRIDES) is None


@pytest.mark.parametrize(
    ("overrides", "model"),
    [
        (NO_OVERRIDES, None),
        (Overrides(model="a"), "a"),
        (Overrides(bedrock_model="b"), "b"),
        (Overrides(model="a", bedrock_model="b"), "b"),
    ],
)
def test_whose_header_names_the_model(
    tmp_path: Path, overrides: Overrides, model: str | None
) -> None:
    assert _load(tmp_path).own_model(overrides) == model


def test_where_it_is(tmp_path: Path) -> None:
    assert _load(tmp_path).address == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert _load(tmp_path, "runtime_url: 'http://127.0.0.1:9/'").address == "http://127.0.0.1:9"
    for endpoint in (CHAT, EMBEDDINGS):
        settings = _load(tmp_path)
        assert settings.objection(settings.any_model(endpoint), endpoint) is None


@pytest.mark.parametrize(
    ("more", "problems"),
    [
        ("access_key_id: AKID", ["secret_access_key: required beside access_key_id"]),
        ("secret_access_key: s", ["access_key_id: required beside secret_access_key"]),
        ("session_token: s", ["access_key_id: required beside secret_access_key"]),
        ("access_key_id: A, secret_access_key: s, profile: p",
         ["profile: must not be set beside access_key_id"]),
        ("external_id: e",
         ["external_id: is for a role that is assumed: set assume_role_arn"]),
        ("mode: native", ["role_arn: required where mode is native: jobs need it"]),
        ("native: {max_lines: 60000}", ["native.max_lines: must not be above 50000, which is the "
         "provider's limit"]),
        ("role_arn: batch", ["role_arn: must be the ARN of a role, such as "
         "arn:aws:iam::123456789012:role/name, not 'batch'"]),
        ("bucket: 's3://b'", ["bucket: must be the name of a bucket, without s3:// and without a "
         "path, not 's3://b'"]),
        ("readable: ['s3://b/x']", ["readable[0]: must be an address such as s3://bucket/prefix/, "
         "with '/' at its end, not 's3://b/x'"]),
        ("bucket_owner: '12'", ["bucket_owner: must be the twelve digits of an account; put them "
         "in quotes, not '12'"]),
        ("job_hours: 12", ["job_hours: must be at least 24, not 12"]),
        ("vpc: {subnets: [s-1]}", ["vpc.security_groups: required for a provider of "
         "type 'aws-bedrock'"]),
        ("access_key_id: 'A B', secret_access_key: s", ["access_key_id: must be an access key's "
         "id: letters and digits, such as AKIA..., not 'A B'"]),
        ("vpc: {subnets: [s 1], security_groups: [a, b, c, d, e, f]}",
         ["vpc.subnets: must be up to 16 ids of letters, digits and -",
          "vpc.security_groups: must be up to 5 ids of letters, digits and -"]),
        ("tags: {'aws:team': a}", ["tags: 'aws:team' must be 1 to 128 letters, digits, spaces and "
         ". _ : / = + @ -, and not begin with aws:"]),
        ("tags: {team: 'a#1'}", ["tags.team: must be up to 256 letters, digits, spaces and "
         ". _ : / = + @ -, not 'a#1'"]),
        (f"tags: {{{', '.join(f'k{n}: v' for n in range(201))}}}", ["tags: must be 200 at most"]),
        ("models: {mine: bard}", ["models.mine: must be 'converse', 'anthropic', 'openai', 'nova', "
         "'llama', 'mistral', 'mistral-chat', 'deepseek', 'titan-embedding', 'cohere-embedding' "
         "or 'nova-embedding', "
         "not 'bard'"]),
    ],
)  # fmt: skip
def test_what_cannot_stand(tmp_path: Path, more: str, problems: Sequence[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, more)
    found = [problem.partition(" (batchway.yaml")[0] for problem in caught.value.problems]
    assert found == [f"providers[0].{problem}" for problem in problems]


def test_a_region_is_one_of_aws(tmp_path: Path) -> None:
    for region in ("us-east", "global", "US-EAST-1", "us-east-1.evil.com"):
        (tmp_path / "batchway.yaml").write_text(
            f"providers: [{{name: v, type: aws-bedrock, region: {region}}}]"
        )
        with pytest.raises(SettingsError, match="must be a region such as 'us-east-1'"):
            load(None, {}, {}, tmp_path)


def test_the_variables_of_bedrocks_api_keys(tmp_path: Path) -> None:
    environ = {"AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_REGION": "eu-west-3"}
    (provider,) = load(None, {}, environ, tmp_path).providers
    assert isinstance(provider, BedrockSettings)
    assert (provider.name, provider.region) == ("aws-bedrock", "eu-west-3")
    assert provider.api_key is not None
    assert load(None, {}, {"AWS_BEARER_TOKEN_BEDROCK": "k"}, tmp_path).providers == ()
