"""Any valid body of OpenAI's, at every dialect: said as the vendor takes it, or refused by name.

The vendor is the types of its own SDK, the importer of the fake of Vertex AI, and an echo that
answers what it was asked: what comes back must be what was sent.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse, EmbeddingCreateParams
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses import Response
from tests.unit.dialects.bodies import JSON, chat_bodies, embeddings_bodies, plain_chats
from tests.unit.dialects.cases import is_sentence
from tests.unit.dialects.families import called, only
from tests.unit.dialects.family_anthropic import ANTHROPIC
from tests.unit.dialects.family_converse import CONVERSE, NOVA
from tests.unit.dialects.family_gemini import GEMINI
from tests.unit.dialects.family_invoked import LLAMA, MISTRAL, OPEN, R1
from tests.unit.dialects.strict_types import strict

from batchway.dialects.cohere.dialect import CohereEmbeddingsDialect
from batchway.dialects.gemini.embeddings import GeminiEmbeddingsDialect
from batchway.dialects.gemini.text_embeddings import TextEmbeddingsDialect
from batchway.dialects.nova_embeddings.dialect import NovaEmbeddingsDialect
from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.responses.dialect import ResponsesDialect
from batchway.dialects.titan.dialect import TitanEmbeddingsDialect
from batchway.domain.group import Group, GroupTarget
from batchway.domain.shard import Mode
from batchway.ports.dialect import Dialect, Encoded, Refused, Result, Unfaithful
from batchway.simulator.google.behaviour import Behaviour
from batchway.simulator.google.importer import imported
from batchway.workflows.plan.cutting import GroupPlan, ScanLimits
from batchway.workflows.plan.lots import Lots

FAMILIES: Final = (ANTHROPIC, GEMINI, CONVERSE, NOVA, OPEN, LLAMA, MISTRAL, R1)
# Those that say every plain chat, with the family of each.
PLAIN: Final = {name: family for family in FAMILIES for name in family.chats}
CHATS: Final[dict[str, Dialect]] = {
    name: dialect
    for family in FAMILIES
    for name, dialect in {**family.chats, **family.mute}.items()
}
EMBEDDINGS: Final[dict[str, Dialect]] = {
    "001": GeminiEmbeddingsDialect(model="gemini-embedding-001", batch=False),
    "001, batch": GeminiEmbeddingsDialect(model="gemini-embedding-001", batch=True),
    "2": GeminiEmbeddingsDialect(model="gemini-embedding-2", batch=False),
    "005": TextEmbeddingsDialect(model="text-embedding-005", batch=False),
    "005, batch": TextEmbeddingsDialect(model="text-embedding-005", batch=True),
    # By no name of AWS's, they take any dimensions.
    "titan": TitanEmbeddingsDialect(model="own"),
    "cohere": CohereEmbeddingsDialect(model="own"),
    "nova": NovaEmbeddingsDialect(model="own"),
}
# Those whose answers have no count of tokens.
UNCOUNTED: Final = {"cohere", "nova"}
RESPONSES: Final[dict[str, Dialect]] = {
    name: ResponsesDialect(inner=inner, model="m") for name, inner in CHATS.items()
}
OPENAI: Final = OpenAIDialect(endpoint="/v1/chat/completions", model="m")
EVERY: Final = {
    **{f"chat: {name}": dialect for name, dialect in CHATS.items()},
    **{f"embeddings: {name}": dialect for name, dialect in EMBEDDINGS.items()},
    **{f"responses: {name}": dialect for name, dialect in RESPONSES.items()},
    "chat: openai": OPENAI,
}
# A body is drawn in some 20 ms, and is shown to every dialect: seconds in all.
FEW: Final = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

_chat: Final = strict(CompletionCreateParamsNonStreaming)
_embedding: Final = strict(EmbeddingCreateParams)
_PLACE: Final = re.compile(r"([A-Za-z_]+)|\[(\d*)\]")


def encoded(dialect: Dialect, body: JSON) -> Encoded | Unfaithful:
    """What it makes of a body, which it never raises for."""
    return dialect.encode(json.dumps(body).encode(), named="m")


def exists(value: Any, place: str) -> bool:
    """Whether a body has a place such as `messages[0].content[].image_url`."""
    found = [value]
    for name, index in _PLACE.findall(place):
        inner: list[Any] = []
        for each in found:
            if name:
                inner += [each[name]] if isinstance(each, dict) and name in each else []
            elif isinstance(each, list):
                inner += each if index == "" else each[int(index) : int(index) + 1]
        found = inner
    return bool(found)


# ----------------------------------------------------------------------------- said, or refused


@given(chat_bodies())
@FEW
def test_the_bodies_are_valid(body: JSON) -> None:
    _chat(body)


@given(embeddings_bodies())
@FEW
def test_the_embeddings_bodies_are_valid(body: JSON) -> None:
    given_texts = body["input"]
    # Of a union of iterables pydantic takes the first: lists of tokens are shown one by one.
    several = isinstance(given_texts, list) and isinstance(given_texts[0], list)
    for each in given_texts if several else [given_texts]:
        _embedding({**body, "input": each})


@given(chat_bodies())
@settings(FEW, max_examples=150)
def test_a_chat_is_said_or_refused_by_name(body: JSON) -> None:
    for family in FAMILIES:
        for name, dialect in family.dialects.items():
            said = encoded(dialect, body)
            if isinstance(said, Unfaithful):
                assert exists(body, said.param), (name, said)
                assert is_sentence(said.why), (name, said)
                continue
            (sent,) = said.bodies
            assert b"\n" not in sent
            family.sent(json.loads(sent))
            assert all(exists(body, warned) for warned in said.warnings), (name, said.warnings)


@given(embeddings_bodies())
@settings(FEW, max_examples=100)
def test_embeddings_are_said_or_refused_by_name(body: JSON) -> None:
    texts = body["input"]
    for name, dialect in EMBEDDINGS.items():
        said = encoded(dialect, body)
        if isinstance(said, Unfaithful):
            assert exists(body, said.param), (name, said)
            assert is_sentence(said.why), (name, said)
        else:
            assert len(said.bodies) <= (len(texts) if isinstance(texts, list) else 1)
            assert set(said.warnings) == {"user"} & set(body)


# ----------------------------------------------------------------------------- the importer


@given(bodies=st.lists(chat_bodies(), min_size=2, max_size=4))
@settings(FEW, max_examples=60)
def test_lines_that_agree_are_imported_together(bodies: list[JSON], tmp_path: Path) -> None:
    """By the rules of the fake, which knows nothing of the dialect."""
    for name in ("gemini 2.5, batch", "gemini 3, batch"):
        for lines in lots_of(CHATS[name], bodies):
            path = tmp_path / "input.jsonl"
            path.write_bytes(b"".join(lines))
            found = imported([path], language="gemini", behaviour=Behaviour())
            assert (found.lines, found.problem) == (len(lines), None)


def lots_of(dialect: Dialect, bodies: Sequence[JSON]) -> list[list[bytes]]:
    """Those that can be said, as the rows of jobs, in the lots that ingest puts them into."""
    target = GroupTarget(provider="p", model="m")
    group = Group(name="p/m", mode=Mode.NATIVE, primaries=(target,))
    lots = Lots(GroupPlan(group=group, limits=ScanLimits()))
    rows: dict[str, list[bytes]] = {}
    for body in bodies:
        said = encoded(dialect, body)
        if isinstance(said, Encoded):
            plan = lots.take((said.shape,)) if said.shape else lots.first
            assert plan is not None
            row = b'{"custom_id":"r0000000001","request":%b}\n' % said.bodies[0]
            rows.setdefault(plan.group.name, []).append(row)
    return list(rows.values())


# ----------------------------------------------------------------------------- echoes


def told(body: JSON, *, ids: bool) -> Iterator[tuple[str, str]]:
    """What a plain chat says, message by message; `ids` as far as the vendor has any."""
    for message in body["messages"]:
        role, content = message["role"], message.get("content")
        if role == "tool":
            yield "result", f"{message['tool_call_id'] if ids else ''} {content}"
            continue
        if content is not None:
            yield role, content
        for call in message.get("tool_calls", ()):
            function = call["function"]
            arguments = json.loads(function["arguments"])
            yield "call", called(call["id"] if ids else "", function["name"], arguments)


@pytest.mark.parametrize("name", PLAIN)
@given(plain_chats())
@FEW
def test_what_is_said_is_heard_and_comes_back(name: str, body: JSON) -> None:
    _chat(body)
    dialect, family = CHATS[name], PLAIN[name]
    said = encoded(dialect, body)
    assert isinstance(said, Encoded), said
    heard, answer = family.echo(json.loads(said.bodies[0]))
    assert heard == list(told(body, ids=family.ids))
    result = dialect.decode(200, json.dumps(answer).encode(), said.context, at=1_700_000_000)
    assert isinstance(result, Result)
    completion = ChatCompletion.model_validate_json(result.body, strict=True)
    (choice,) = completion.choices
    assert choice.message.role == "assistant"
    assert choice.message.content == body["messages"][-1]["content"]
    asked = [call for message in body["messages"] for call in message.get("tool_calls", ())]
    found = choice.message.tool_calls or []
    assert choice.finish_reason == ("tool_calls" if asked else "stop")
    functions = [each.function for each in found if each.type == "function"]
    assert [(each.name, json.loads(each.arguments)) for each in functions] == [
        (each["function"]["name"], json.loads(each["function"]["arguments"])) for each in asked
    ]
    if family.ids:
        assert [each.id for each in found] == [each["id"] for each in asked]
    else:
        assert [each.id for each in found] == [f"call_r1_{n}" for n in range(len(asked))]
    usage = completion.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (9, 5, 14)
    assert usage.prompt_tokens_details.cached_tokens == 2
    assert (result.usage.input_tokens, result.usage.output_tokens) == (9, 5)
    assert result.usage.cached_tokens == 2


@pytest.mark.parametrize("name", PLAIN)
@given(plain_chats())
@FEW
def test_responses_lines_say_the_same_as_chats(name: str, body: JSON) -> None:
    """The same conversation as items, over the same echo: what is heard is what a chat says."""
    dialect, family = RESPONSES[name], PLAIN[name]
    said = encoded(dialect, {"model": "m", "input": items_of(body), "tools": tools_of(body)})
    assert isinstance(said, Encoded), said
    heard, answer = family.echo(json.loads(said.bodies[0]))
    assert heard == list(told(body, ids=family.ids))
    result = dialect.decode(200, json.dumps(answer).encode(), said.context, at=1_700_000_000)
    assert isinstance(result, Result)
    response = Response.model_validate_json(result.body)
    assert response.output_text == body["messages"][-1]["content"]
    asked = [call for message in body["messages"] for call in message.get("tool_calls", ())]
    calls = [item for item in response.output if item.type == "function_call"]
    assert [(each.name, json.loads(each.arguments)) for each in calls] == [
        (each["function"]["name"], json.loads(each["function"]["arguments"])) for each in asked
    ]
    if family.ids:
        assert [each.call_id for each in calls] == [each["id"] for each in asked]
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (9, 5)


def items_of(body: JSON) -> list[JSON]:
    """A plain chat as items of a Responses request."""
    items: list[JSON] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            items.append(
                {
                    "type": "function_call_output",
                    "call_id": message["tool_call_id"],
                    "output": message["content"],
                }
            )
            continue
        if message.get("content") is not None:
            items.append(only(message, "role", "content"))
        items += [
            {"type": "function_call", "call_id": call["id"], **call["function"]}
            for call in message.get("tool_calls", ())
        ]
    return items


def tools_of(body: JSON) -> list[JSON]:
    """The functions of a chat as a Responses request has them."""
    return [{"type": "function", "strict": False, **tool["function"]} for tool in body["tools"]]


@pytest.mark.parametrize("name", EMBEDDINGS)
@given(embeddings_bodies())
@FEW
def test_every_text_has_its_own_vector(name: str, body: JSON) -> None:
    """A vector begins with the number of its text, as the echo counts them."""
    dialect = EMBEDDINGS[name]
    said = encoded(dialect, body)
    assume(isinstance(said, Encoded))
    assert isinstance(said, Encoded)
    texts: list[str] = []
    results: list[Result] = []
    for each in said.bodies:
        answer = embedding_echo(json.loads(each), texts, body.get("dimensions") or 8)
        result = dialect.decode(200, json.dumps(answer).encode(), said.context)
        assert isinstance(result, Result)
        results.append(result)
    given_texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    assert texts == given_texts
    whole = results[0] if len(results) == 1 else dialect.join(results, said.context)
    found = json.loads(whole.body)
    assert [each["index"] for each in found["data"]] == list(range(len(texts)))
    if body.get("encoding_format") != "base64":
        CreateEmbeddingResponse.model_validate_json(whole.body, strict=True)
        # However it was scaled: the first number of two tells which text it was.
        firsts = [each["embedding"][:2] for each in found["data"] if body.get("dimensions") != 1]
        ratios = [round(second / first) for first, second in firsts]
        assert ratios == [n + 1 for n in range(len(firsts))]
    counted = 0 if name in UNCOUNTED else 3 * len(texts)
    assert found["usage"]["prompt_tokens"] == counted == whole.usage.input_tokens


def embedding_echo(body: JSON, texts: list[str], size: int) -> JSON:
    """An answer in the form of the request; adds the request's texts."""

    def vector(text: str) -> list[float]:
        texts.append(text)
        return [0.01, 0.01 * len(texts)][: max(size, 1)] + [0.0] * (size - 2)

    if "content" in body and isinstance(body["content"], dict):
        (part,) = body["content"]["parts"]
        values = vector(part["text"])
        return {"embedding": {"values": values}, "usageMetadata": {"promptTokenCount": 3}}
    if "inputText" in body:
        return {"embedding": vector(body["inputText"]), "inputTextTokenCount": 3}
    if "texts" in body:
        return {"embeddings": {"float": [vector(text) for text in body["texts"]]}}
    if "singleEmbeddingParams" in body:
        return {
            "embeddings": [{"embedding": vector(body["singleEmbeddingParams"]["text"]["value"])}]
        }
    instances = [body] if "content" in body else body["instances"]
    predictions = [
        {
            "embeddings": {
                "values": vector(each["content"]),
                "statistics": {"token_count": 3, "truncated": False},
            }
        }
        for each in instances
    ]
    return {"predictions": predictions}


# ----------------------------------------------------------------------------- garbage

_WORDS: Final = [
    *("messages", "input", "model", "role", "content", "type", "tools", "error", "usage", "code"),
    *("candidates", "parts", "text", "predictions", "embedding", "values"),
    *("generation", "outputs", "choices", "message", "tool_calls", "function", "stop_reason"),
]
_ODD: Final = st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_WORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())


# Lines of each endpoint, which leave something to be known when their answers come.
_LINES: Final[list[JSON]] = [
    {"messages": [{"role": "user", "content": "a"}], "user": "u"},
    {"input": ["a", "b"], "encoding_format": "base64", "dimensions": 8},
    {"input": "a", "metadata": {"k": "v"}},
]
_CONTEXTS: Final = [
    (dialect, context)
    for dialect in EVERY.values()
    for context in {
        b"",
        *(
            said.context
            for said in (encoded(dialect, line) for line in _LINES)
            if isinstance(said, Encoded)
        ),
    }
]


@given(body=_ODD)
@settings(FEW, max_examples=200)
def test_odd_bodies_are_no_lines(body: bytes) -> None:
    for name, dialect in EVERY.items():
        assert dialect.measure(body).tokens > 0
        try:
            said = dialect.encode(body, named="m")
        except ValueError:
            assert dialect.faithful, name  # which sends bodies on as they are, if there is one
            continue
        assert isinstance(said, Encoded | Unfaithful), name


@given(body=_ODD, status=st.sampled_from([200, 201, 400, 401, 404, 429, 500, 503, 0, 999]))
@settings(FEW, max_examples=200)
def test_odd_answers_are_read(body: bytes, status: int) -> None:
    for dialect, context in _CONTEXTS:
        read = dialect.decode(status, body, context)
        if 200 <= status < 300:
            assert read is None or isinstance(read, Result | Refused)
        else:
            assert isinstance(read, Refused)
        if isinstance(read, Refused):
            assert not 200 <= read.status < 300
        if read is not None:
            # OpenAI's own errors are passed on as they came.
            assert isinstance(json.loads(read.body), dict) or dialect.faithful
            assert b"\n" not in read.body
