"""Models on AWS Bedrock: what their names mean, what they speak, and where they are called."""

import re
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest

from batchway.catalog.bedrock_models import (
    BEDROCK_MODELS,
    BEDROCK_MOST,
    BedrockDialect,
    BedrockModels,
    base_of,
)
from batchway.catalog.bedrock_names import read_name
from batchway.domain.endpoint import Endpoint
from batchway.domain.overrides import Overrides
from batchway.providers.aws.addresses import jobs_address, online_address
from batchway.providers.aws.dialects import dialect_of
from batchway.providers.aws.models import read_model
from batchway.providers.aws.place import Place

PLACE = Place(region="us-east-1")
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com/model/"
OWN = "arn:aws:bedrock:us-east-1:123456789012:"
OWN_ESCAPED = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3A"
SONNET = "anthropic.claude-3-5-sonnet-20241022-v2:0"
SONNET_ESCAPED = SONNET.replace(":", "%3A")
CHAT = Endpoint.CHAT_COMPLETIONS
CONVERSE, ANTHROPIC = BedrockDialect.CONVERSE, BedrockDialect.ANTHROPIC
NOVA, OPENAI = BedrockDialect.NOVA, BedrockDialect.OPENAI
LLAMA, MISTRAL = BedrockDialect.LLAMA, BedrockDialect.MISTRAL
CHATS = BedrockDialect.MISTRAL_CHAT
TITAN, COHERE = BedrockDialect.TITAN_EMBEDDING, BedrockDialect.COHERE_EMBEDDING


@pytest.mark.parametrize(
    ("model", "online", "jobs"),
    [
        (SONNET, ANTHROPIC, ANTHROPIC),
        ("anthropic.claude-sonnet-4-6", ANTHROPIC, ANTHROPIC),
        ("amazon.nova-pro-v1:0", NOVA, NOVA),
        ("amazon.nova-2-lite-v1:0", NOVA, NOVA),
        ("openai.gpt-oss-120b-1:0", OPENAI, OPENAI),
        ("qwen.qwen3-235b-a22b-2507-v1:0", OPENAI, OPENAI),
        ("deepseek.v3-v1:0", OPENAI, OPENAI),
        ("deepseek.v3.2", OPENAI, OPENAI),
        ("deepseek.r1-v1:0", CONVERSE, None),
        ("meta.llama3-3-70b-instruct-v1:0", CONVERSE, LLAMA),
        ("meta.llama4-maverick-17b-instruct-v1:0", CONVERSE, LLAMA),
        ("mistral.mistral-large-2407-v1:0", CHATS, CHATS),
        ("mistral.mistral-large-2402-v1:0", CONVERSE, None),
        ("mistral.mistral-small-2402-v1:0", CONVERSE, MISTRAL),
        ("mistral.mistral-large-3-675b-instruct", OPENAI, OPENAI),
        ("mistral.devstral-2-123b", OPENAI, OPENAI),
        ("mistral.pixtral-large-2502-v1:0", CHATS, None),
        ("mistral.mixtral-8x7b-instruct-v0:1", CONVERSE, None),
        ("mistral.mistral-7b-instruct-v0:2", CONVERSE, None),
        ("amazon.titan-embed-text-v2:0", TITAN, TITAN),
        ("amazon.titan-embed-text-v1", TITAN, None),
        ("amazon.titan-embed-image-v1", TITAN, TITAN),
        ("amazon.titan-embed-g1-text-02", TITAN, None),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            BedrockDialect.NOVA_EMBEDDING,
            BedrockDialect.NOVA_EMBEDDING,
        ),
        ("cohere.embed-v4:0", COHERE, None),
        ("cohere.embed-multilingual-v3", COHERE, None),
        ("cohere.command-r-plus-v1:0", CONVERSE, None),
        ("ai21.jamba-1-5-large-v1:0", CONVERSE, None),
        ("zai.glm-4.7-flash", OPENAI, OPENAI),
        ("minimax.minimax-m2.1", OPENAI, OPENAI),
        ("moonshotai.kimi-k2.5", OPENAI, OPENAI),
        ("moonshot.kimi-k2-thinking", OPENAI, OPENAI),
        ("google.gemma-3-27b-it", OPENAI, OPENAI),
        ("nvidia.nemotron-nano-12b-v2", OPENAI, OPENAI),
        ("writer.palmyra-x5-v1:0", CONVERSE, None),
        ("somebody.new-model-v1:0", CONVERSE, CONVERSE),
    ],
)
def test_what_a_model_speaks(
    model: str, online: BedrockDialect, jobs: BedrockDialect | None
) -> None:
    family = read_name(model, {}).family
    assert (family.online, family.jobs) == (online, jobs)
    assert (family.traits is None) is (jobs is None)


@pytest.mark.parametrize(
    ("written", "address", "base"),
    [
        (SONNET, f"{SONNET_ESCAPED}/invoke", SONNET),
        (f"us.{SONNET}", f"us.{SONNET_ESCAPED}/invoke", SONNET),
        (f"apac.{SONNET}", f"apac.{SONNET_ESCAPED}/invoke", SONNET),
        (f"us-gov.{SONNET}", f"us-gov.{SONNET_ESCAPED}/invoke", SONNET),
        ("global.anthropic.claude-sonnet-4-6", "global.anthropic.claude-sonnet-4-6/invoke",
         "anthropic.claude-sonnet-4-6"),
        ("jp.anthropic.claude-haiku-4-5-20251001-v1:0",
         "jp.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke",
         "anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "us.meta.llama3-3-70b-instruct-v1%3A0/converse",
         "meta.llama3-3-70b-instruct-v1:0"),
        ("zai.glm-4.7-flash", "zai.glm-4.7-flash/invoke", "zai.glm-4.7-flash"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}",
         f"arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2F{SONNET_ESCAPED}/invoke",
         SONNET),
        (f"{OWN}inference-profile/us.{SONNET}",
         f"{OWN_ESCAPED}inference-profile%2Fus.{SONNET_ESCAPED}/invoke", SONNET),
        ("arn:aws-us-gov:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
         "arn%3Aaws-us-gov%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2F"
         "amazon.nova-pro-v1%3A0/invoke", "amazon.nova-pro-v1:0"),
        (f"{OWN}default-prompt-router/anthropic.claude:1",
         f"{OWN_ESCAPED}default-prompt-router%2Fanthropic.claude%3A1/invoke",
         "anthropic.claude:1"),
    ],
)  # fmt: skip
def test_where_a_name_is_called(written: str, address: str, base: str) -> None:
    model = read_model(written, PLACE, {})
    spoken = model.family.online
    assert spoken is not None
    assert (online_address(model, spoken), model.base) == (HOST + address, base)


@pytest.mark.parametrize(
    ("resource", "online", "jobs"),
    [
        ("application-inference-profile/a1b2c3d4e5f6", True, True),
        ("custom-model/amazon.nova-lite-v1:0:300k/a1b2c3d4e5f6", False, True),
        ("custom-model-deployment/a1b2c3d4e5f6", True, False),
        ("provisioned-model/a1b2c3d4e5f6", True, False),
        ("imported-model/a1b2c3d4e5f6", True, False),
        ("prompt-router/a1b2c3d4e5f6", True, False),
    ],
)
def test_arns_of_ones_own_run_online_or_in_jobs(resource: str, *, online: bool, jobs: bool) -> None:
    family = read_name(OWN + resource, {"*/a1b2c3d4e5f6": BedrockDialect.NOVA}).family
    assert (family.online is not None, family.jobs is not None) == (online, jobs)
    shape: Any = botocore.session.Session()
    for service, operation, runs in (
        ("bedrock-runtime", "InvokeModel", online),
        ("bedrock", "CreateModelInvocationJob", jobs),
    ):
        model = shape.get_service_model(service).operation_model(operation).input_shape
        pattern = model.members["modelId"].metadata["pattern"]
        # AWS's own patterns take a customized model online, which is how deployments were once.
        if resource.startswith("custom-model/") and not runs:
            continue
        assert (re.fullmatch(pattern.replace("$", ""), OWN + resource) is not None) is runs


@pytest.mark.parametrize(
    ("configured", "written", "speaks"),
    [
        ({f"{OWN}provisioned-model/abc": ANTHROPIC}, f"{OWN}provisioned-model/abc", ANTHROPIC),
        ({"provisioned-model/abc": OPENAI}, f"{OWN}provisioned-model/abc", OPENAI),
        ({"*/abc": LLAMA}, f"{OWN}imported-model/abc", LLAMA),
        ({"anthropic.*": CONVERSE}, f"us.{SONNET}", CONVERSE),
        ({f"us.{SONNET}": CONVERSE}, f"us.{SONNET}", CONVERSE),
        ({f"us.{SONNET}": CONVERSE}, SONNET, ANTHROPIC),
        ({"my-model": MISTRAL}, "my-model", MISTRAL),
    ],
)
def test_the_configuration_wins(
    configured: Mapping[str, BedrockDialect], written: str, speaks: BedrockDialect
) -> None:
    assert read_name(written, configured).family.online is speaks


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("gpt-4o-mini", "Nothing is known"),
        ("", "cannot stand"),
        ("..", "cannot stand"),
        ("a/b", "cannot stand"),
        ("anthropic.claude%2F..%2Fx", "cannot stand"),
        ("anthropic.claude?x=1", "cannot stand"),
        ("a" * 513, "too long"),
        ("arn:aws:s3:::bucket/key", "no ARN of a model"),
        (f"{OWN}guardrail/abc", "no ARN of a model"),
        (f"{OWN}inference-profile/../x", "no ARN of a model"),
        (f"{OWN}imported-model/a/abcdefghijkl", "BASE/ID"),
        (f"{OWN}custom-model/amazon.nova-lite-v1:0", "BASE/ID"),
        (f"{OWN}application-inference-profile/abc", "an application inference profile does not"),
        (f"{OWN}provisioned-model/abc", "a provisioned model does not say"),
    ],
)
def test_a_name_that_leads_nowhere(written: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        read_name(written, {})
    assert not written or len(written) < 4 or written not in str(caught.value)


def test_a_model_of_another_region_is_turned_away() -> None:
    assert read_name("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0", {}).region
    with pytest.raises(ValueError, match="another region"):
        read_model("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0", PLACE, {})


@pytest.mark.parametrize("row", BEDROCK_MODELS, ids=lambda row: row.pattern)
def test_a_row_can_be_reached_and_says_where_it_is_from(row: BedrockModels) -> None:
    name = row.pattern.replace("*", "x")
    assert read_name(name, {}).family == row
    assert row.source.startswith("https://docs.aws.amazon.com/")
    assert re.fullmatch(r"2026-\d\d-\d\d", row.read)
    if row.traits is not None:
        assert row.traits.min_lines == 100
        assert row.traits.max_lines <= BEDROCK_MOST.max_lines


@pytest.mark.parametrize(
    ("name", "base"),
    [
        (f"us.{SONNET}", SONNET),
        (f"global.{SONNET}", SONNET),
        (SONNET, SONNET),
        ("us.deepseek.v3.2", "deepseek.v3.2"),
        ("deepseek.v3.2", "deepseek.v3.2"),
        ("ai21.jamba", "ai21.jamba"),
        ("eu.cohere.embed-v4:0", "cohere.embed-v4:0"),
    ],
)
def test_a_geography_is_no_part_of_a_model(name: str, base: str) -> None:
    assert base_of(name) == base


def test_a_place() -> None:
    assert jobs_address(PLACE) == "https://bedrock.us-east-1.amazonaws.com/model-invocation-jobs"
    assert Place(region="cn-north-1").control == "https://bedrock.cn-north-1.amazonaws.com.cn"
    own = Place(region="us-east-1", base_url="http://c", runtime_url="http://r", bucket="b")
    assert (own.control, own.runtime) == ("http://c", "http://r")
    assert own.with_(Overrides(s3_bucket="theirs")).bucket == "theirs"
    assert own.with_(Overrides(vertex_bucket="x")) == own


@pytest.mark.parametrize("endpoint", [CHAT, Endpoint.RESPONSES])
def test_no_body_names_its_model(endpoint: str) -> None:
    for name in (SONNET, "amazon.nova-pro-v1:0", "zai.glm-4.7-flash"):
        dialect = dialect_of(read_model(name, PLACE, {}), endpoint, batch=False)
        assert dialect is not None
        line = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"input":"hi"}'
        if endpoint == CHAT:
            line = line.replace(b',"input":"hi"', b"")
        else:
            line = b'{"model":"m","input":"hi"}'
        encoded: Any = dialect.encode(line, named="m")
        assert b'"model"' not in encoded.bodies[0]
