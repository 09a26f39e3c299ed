"""Embeddings lines at Bedrock: the tables, the pages' schemas, and what no table can hold."""

import json
import struct
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import ValidationError
from openai.types import CreateEmbeddingResponse
from tests.unit.dialects.cases import Case, check, table
from tests.unit.dialects.embeddings_schemas import SCHEMAS, sent_to

from batchway.dialects.cohere import parameters as cohere
from batchway.dialects.cohere.dialect import CohereEmbeddingsDialect
from batchway.dialects.nova_embeddings import parameters as nova
from batchway.dialects.nova_embeddings.dialect import NovaEmbeddingsDialect
from batchway.dialects.requests.embeddings import EmbeddingsRequest, TypedEmbeddingsRequest
from batchway.dialects.titan import parameters as titan
from batchway.dialects.titan.dialect import TitanEmbeddingsDialect
from batchway.ports.dialect import Dialect, Encoded, Refused, Result, Size, Unfaithful
from batchway.simulator.aws.behaviour import Behaviour
from batchway.simulator.aws.speaking import run

_PROFILE: Final = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
_CUSTOM: Final = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.titan-embed/abc"
_DIALECTS: Final[dict[str, Dialect]] = {
    "titan v2": TitanEmbeddingsDialect(model="amazon.titan-embed-text-v2:0"),
    "titan v1": TitanEmbeddingsDialect(model="amazon.titan-embed-text-v1"),
    "titan g1": TitanEmbeddingsDialect(model="amazon.titan-embed-g1-text-02"),
    "titan image": TitanEmbeddingsDialect(model="amazon.titan-embed-image-v1"),
    "titan own": TitanEmbeddingsDialect(model=_CUSTOM),
    "cohere english": CohereEmbeddingsDialect(model="cohere.embed-english-v3"),
    "cohere multilingual": CohereEmbeddingsDialect(model="cohere.embed-multilingual-v3"),
    "cohere v4": CohereEmbeddingsDialect(model="us.cohere.embed-v4:0"),
    "cohere own": CohereEmbeddingsDialect(model=_PROFILE),
    "nova nova": NovaEmbeddingsDialect(model="amazon.nova-2-multimodal-embeddings-v1:0"),
    "nova own": NovaEmbeddingsDialect(model=_PROFILE),
}
_TABLES: Final = {name: table(f"{name}_embeddings") for name in ("titan", "cohere", "nova")}
_CASES: Final = [(f"{of} {case.dialect}", case) for of, rows in _TABLES.items() for case in rows]


def _given(body: dict[str, Any]) -> None:
    if any(isinstance(item["embedding"], str) for item in body["data"]):
        return  # the type has the vectors that the client makes of it: see below
    CreateEmbeddingResponse.model_validate(body, strict=True)


@pytest.mark.parametrize(
    ("name", "case"), [pytest.param(*each, id=f"{each[0]}-{each[1].name}") for each in _CASES]
)
def test_case(name: str, case: Case) -> None:
    check(case, _DIALECTS[name], sent=sent_to(name), given=_given)


def test_the_tables_have_enough_cases_of_every_dialect() -> None:
    assert {of: len(rows) >= (10 if of == "nova" else 60) for of, rows in _TABLES.items()} == {
        "titan": True,
        "cohere": True,
        "nova": True,
    }
    assert {name for name, _ in _CASES} == set(_DIALECTS) == set(SCHEMAS)
    assert all(case.source.startswith("https://") for _, case in _CASES)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("titan v2", {"inputText": ""}),
        ("titan v2", {"inputText": "a", "dimensions": 384}),
        ("titan v1", {"inputText": "a", "dimensions": 256}),
        ("titan image", {"inputText": "a", "dimensions": 256}),
        ("cohere english", {"texts": ["a"]}),
        ("cohere english", {"texts": ["a" * 2_049], "input_type": "search_query"}),
        ("cohere english", {"texts": ["a"], "input_type": "clustering", "output_dimension": 256}),
        ("cohere v4", {"texts": ["a"] * 97, "input_type": "search_query"}),
        ("cohere v4", {"texts": ["a"], "input_type": "search_query", "truncate": "END"}),
        ("nova nova", {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {}}),
    ],
)
def test_the_schemas_refuse_what_the_pages_do_not_have(name: str, body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        sent_to(name)(body)


# --------------------------------------------------------------------- what no table can hold


def _encoded(name: str, line: Any) -> Encoded | Unfaithful:
    return _DIALECTS[name].encode(json.dumps(line).encode(), named="m")


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("titan v2", 50_000),
        ("titan v1", 50_000),
        ("cohere english", 2_048),
        ("cohere multilingual", 2_048),
        ("nova nova", 50_000),
    ],
)
def test_a_text_of_more_characters_than_the_model_takes_is_refused(name: str, most: int) -> None:
    """Characters, not bytes: a schema's `maxLength` counts those."""
    longest = "語" * most
    said = _encoded(name, {"input": longest})
    assert isinstance(said, Encoded)
    sent_to(name)(json.loads(said.bodies[0]))
    refused = _encoded(name, {"input": ["a", f"{longest}a"]})
    assert isinstance(refused, Unfaithful)
    assert refused.param == "input[1]"
    assert f"{most:,} characters" in refused.why
    alone = _encoded(name, {"input": f"{longest}a"})
    assert isinstance(alone, Unfaithful)
    assert alone.param == "input"


@pytest.mark.parametrize("name", ["titan image", "cohere v4", "titan own", "cohere own"])
def test_where_only_tokens_count_the_api_tells(name: str) -> None:
    assert isinstance(_encoded(name, {"input": "a" * 60_000}), Encoded)


@pytest.mark.parametrize(
    ("count", "bodies"), [(1, [1]), (96, [96]), (97, [96, 1]), (2_048, [96] * 21 + [32])]
)
def test_cohere_gets_96_texts_a_request(count: int, bodies: list[int]) -> None:
    said = _encoded("cohere v4", {"input": [str(index) for index in range(count)]})
    assert isinstance(said, Encoded)
    sent = [json.loads(body)["texts"] for body in said.bodies]
    assert [len(texts) for texts in sent] == bodies
    assert [text for texts in sent for text in texts] == [str(index) for index in range(count)]
    # What comes back in other numbers cannot be told apart.
    odd = json.dumps({"embeddings": {"float": [[1.0]] * (bodies[-1] + 1)}}).encode()
    if bodies[-1] + 1 != bodies[0]:
        assert isinstance(_DIALECTS["cohere v4"].decode(200, odd, said.context), Refused)


@pytest.mark.parametrize("name", _DIALECTS)
def test_a_line_has_as_many_texts_as_openai_takes_and_no_more(name: str) -> None:
    """A job tells 4,096 requests of a line apart."""
    said = _encoded(name, {"input": ["a"] * 2_048})
    assert isinstance(said, Encoded)
    assert len(said.bodies) == (22 if name.startswith("cohere") else 2_048)
    refused = _encoded(name, {"input": ["a"] * 2_049})
    assert isinstance(refused, Unfaithful)
    assert refused.param == "input"


@pytest.mark.parametrize("name", _DIALECTS)
@pytest.mark.parametrize(
    "body", [b"", b"null", b'"a"', b'{"input":"\\ud800"}', b'{"input":"\xff"}', b"[" * 100_000]
)
def test_says_what_is_wrong_with_any_line(name: str, body: bytes) -> None:
    read = _DIALECTS[name].encode(body, named="m")
    assert isinstance(read, Unfaithful)
    assert read.why


def _titan(vectors: Sequence[Any]) -> Any:
    return {"embedding": vectors[0], "embeddingsByType": {"float": vectors[0]}}


def _cohere(vectors: Sequence[Any]) -> Any:
    return {"embeddings": {"float": vectors}}


def _nova(vectors: Sequence[Any]) -> Any:
    return {"embeddings": [{"embeddingType": "TEXT", "embedding": vector} for vector in vectors]}


_ANSWERS: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {
    "titan": _titan,
    "cohere": _cohere,
    "nova": _nova,
}


def _texts_in(body: dict[str, Any]) -> list[str]:
    if "texts" in body:
        return body["texts"]
    single = body.get("singleEmbeddingParams")
    return [body["inputText"] if single is None else single["text"]["value"]]


@pytest.mark.parametrize("name", ["titan v2", "cohere v4", "nova nova"])
def test_a_vector_stays_byte_for_byte(name: str) -> None:
    vector = b"[0.10000000000000000001,-1E-7,12345678901234567890, 0]"
    answer = json.dumps(_ANSWERS[name.split(maxsplit=1)[0]](["?"])).encode().replace(b'"?"', vector)
    read = _DIALECTS[name].decode(200, answer, b"")
    assert isinstance(read, Result)
    assert vector in read.body


_TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_SIZES: Final = st.sampled_from([None, -1, 0, 1, 2, 256, 384, 512, 1_024, 1_536, 3_072])
_USES: Final = st.sampled_from([None, "search_query", "clustering", "passage"])
_LINES: Final = st.fixed_dictionaries(
    {"input": _TEXTS | st.lists(_TEXTS, max_size=6)},
    optional={
        "model": st.text("abc-/", max_size=8),
        "dimensions": _SIZES,
        "encoding_format": st.sampled_from([None, "float", "base64"]),
        "user": st.none() | st.text(max_size=5),
        "input_type": _USES,
    },
)


@given(line=_LINES, name=st.sampled_from(sorted(_DIALECTS)))
@settings(deadline=None)
def test_any_line_is_said_or_refused_by_name_and_comes_back_in_order(
    line: dict[str, Any], name: str
) -> None:
    dialect = _DIALECTS[name]
    said = dialect.encode(msgspec.json.encode(line), named="m")
    texts = [line["input"]] if isinstance(line["input"], str) else line["input"]
    if not isinstance(said, Encoded):
        assert said.param.partition("[")[0] in {"input", "dimensions", "input_type"}
        return
    assert said.warnings == (("user",) if line.get("user") is not None else ())
    size = line.get("dimensions") or 2
    answer = _ANSWERS[name.split(maxsplit=1)[0]]
    sent: list[str] = []
    results: list[Result] = []
    for body in map(json.loads, said.bodies):
        sent_to(name)(body)
        of_body = _texts_in(body)
        vectors = [[float(len(sent) + place)] * size for place in range(len(of_body))]
        sent += of_body
        read = dialect.decode(200, msgspec.json.encode(answer(vectors)), said.context)
        assert isinstance(read, Result)
        results.append(read)
    assert sent == texts
    whole = results[0] if len(results) == 1 else dialect.join(results, said.context)
    found = json.loads(whole.body)
    _given(found)
    if line.get("encoding_format") == "base64":
        for item in found["data"]:
            item["embedding"] = list(memoryview(b64decode(item["embedding"])).cast("f"))
    expected = [[float(index)] * size for index in range(len(texts))]
    assert [item["embedding"] for item in found["data"]] == expected
    warned = found.get("batchway", {"warnings": []})["warnings"]
    assert [each["param"] for each in warned] == list(said.warnings)


# As the fake of AWS knows them; it has no multimodal Titan.
_FAMILIES: Final = {
    "titan v2": "titan-v2",
    "titan v1": "titan-v1",
    "cohere english": "cohere-v3",
    "cohere v4": "cohere-v4",
    "nova nova": "nova-embedding",
}


@pytest.mark.parametrize("name", _FAMILIES)
@pytest.mark.parametrize("texts", [1, 97])
@pytest.mark.parametrize("whole", [False, True])
def test_the_fake_takes_every_body_and_its_answers_are_read(
    name: str, texts: int, whole: bool
) -> None:
    sizes = {"titan v1": 1_536, "cohere english": 1_024}
    size = sizes.get(name, 256)
    line: dict[str, Any] = {"input": [f"text {index}" for index in range(texts)], "user": "anna"}
    if whole:
        line |= {"dimensions": size, "encoding_format": "base64"}
    said = _encoded(name, line)
    assert isinstance(said, Encoded)
    results: list[Result] = []
    for body in map(json.loads, said.bodies):
        ran = run(
            body,
            family=_FAMILIES[name],
            model="m",
            behaviour=Behaviour(dimensions=size),
            now=0,
            batch=True,
        )
        read = _DIALECTS[name].decode(200, msgspec.json.encode(ran.response), said.context)
        assert isinstance(read, Result)
        results.append(read)
    joined = results[0] if len(results) == 1 else _DIALECTS[name].join(results, said.context)
    data = json.loads(joined.body)["data"]
    assert len({str(item["embedding"]) for item in data}) == len(data) == texts
    counted = name.startswith("titan")
    assert (joined.usage.input_tokens > 0) is counted


_FLOATS: Final = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("name", ["titan own", "cohere own", "nova own"])
@given(vector=st.lists(_FLOATS, min_size=1, max_size=8))
def test_base64_is_little_endian_floats_of_32_bits(name: str, vector: list[float]) -> None:
    said = _encoded(name, {"input": "a", "encoding_format": "base64"})
    assert isinstance(said, Encoded)
    answer = msgspec.json.encode(_ANSWERS[name.split(maxsplit=1)[0]]([vector]))
    read = _DIALECTS[name].decode(200, answer, said.context)
    assert isinstance(read, Result)
    (item,) = json.loads(read.body)["data"]
    assert b64decode(item["embedding"]) == struct.pack(f"<{len(vector)}f", *vector)


_NAMES: Final = [
    *("embedding", "embeddings", "float", "message"),
    *("inputTextTokenCount", "truncatedCharLength"),
]
_JSON: Final = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(
    body=st.binary(max_size=200) | _JSON.map(msgspec.json.encode),
    context=st.sampled_from([b"", b"base64,,", b",1,,user", b"base64,2,3/1"]),
    status=st.sampled_from([200, 400, 403, 500]),
)
def test_never_raises_whatever_comes(body: bytes, context: bytes, status: int) -> None:
    for dialect in _DIALECTS.values():
        read = dialect.decode(status, body, context)
        if isinstance(read, Result):
            data = json.loads(read.body)["data"]
            assert data
            assert all(item["embedding"] for item in data)
        elif isinstance(read, Refused):
            assert not 200 <= read.status < 300
        else:
            assert status == 200


def test_measures_a_line() -> None:
    assert _DIALECTS["titan v2"].measure(b'{"input":["abc","def"]}') == Size(tokens=6, inputs=2)


@pytest.mark.parametrize(
    ("family", "request_type"),
    [(titan, EmbeddingsRequest), (cohere, TypedEmbeddingsRequest), (nova, TypedEmbeddingsRequest)],
    ids=["titan", "cohere", "nova"],
)
def test_the_tables_have_every_field_and_their_pages(family: Any, request_type: Any) -> None:
    rows = family.EMBEDDINGS.rows
    assert sorted(row.name for row in rows) == sorted(request_type.__struct_fields__)
    assert all(row.source.startswith("https://docs.aws.amazon.com/") for row in rows)
    assert all(model.source.startswith("https://docs.aws.amazon.com/") for model in family.MODELS)
