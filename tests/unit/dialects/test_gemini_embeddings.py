"""Embeddings lines at Google: the table, the vendors' own types, and what no table can hold."""

import json
import struct
from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final, cast

import httpx2
import msgspec
import openai
import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from tests.unit.dialects.cases import Case, check, parameters, table

from batchway.dialects.gemini.embeddings import GeminiEmbeddingsDialect
from batchway.dialects.gemini.embeddings_parameters import EMBEDDINGS, MODELS
from batchway.dialects.gemini.text_embeddings import TextEmbeddingsDialect
from batchway.dialects.requests.embeddings import EmbeddingsRequest
from batchway.ports.dialect import Dialect, Encoded, Refused, Result, Size

_DIALECTS: Final[dict[str, Dialect]] = {
    "001": TextEmbeddingsDialect(model="gemini-embedding-001", batch=False),
    "001 batch": GeminiEmbeddingsDialect(model="gemini-embedding-001", batch=True),
    "2": GeminiEmbeddingsDialect(model="gemini-embedding-2", batch=False),
    "2 batch": GeminiEmbeddingsDialect(model="gemini-embedding-2", batch=True),
    "005": TextEmbeddingsDialect(model="text-embedding-005", batch=False),
    "005 batch": TextEmbeddingsDialect(model="text-embedding-005", batch=True),
    "multilingual": TextEmbeddingsDialect(model="text-multilingual-embedding-002", batch=False),
    "multilingual batch": TextEmbeddingsDialect(
        model="text-multilingual-embedding-002", batch=True
    ),
}
_TABLE: Final = table("gemini_embeddings")


def _sent(body: dict[str, Any]) -> None:
    """What google-genai's types say of a body: they refuse keys that they do not know."""
    kind = set(body) - {"embedContentConfig", "output_dimensionality", "parameters"}
    config: dict[str, Any] = body.get("embedContentConfig") or body.get("parameters") or {}
    if "output_dimensionality" in body:
        config = {"outputDimensionality": body["output_dimensionality"]}
    types.EmbedContentConfig.model_validate(config)
    if kind == {"instances"}:
        assert [set(each) for each in body["instances"]] == [{"content"}] * len(body["instances"])
    elif isinstance(body["content"], str):
        assert set(body) == {"content"}, "a row of an older model"
    else:
        assert kind == {"content"}
        types.Content.model_validate(body["content"])


def _given(body: dict[str, Any]) -> None:
    if any(isinstance(item["embedding"], str) for item in body["data"]):
        return  # the type has the vectors that the client makes of it: see below
    CreateEmbeddingResponse.model_validate(body, strict=True)


@pytest.mark.parametrize("case", parameters(_TABLE))
def test_case(case: Case) -> None:
    check(case, _DIALECTS[case.dialect], sent=_sent, given=_given)


def test_the_table_has_enough_cases_of_every_dialect() -> None:
    assert len(_TABLE) >= 40
    assert {case.dialect for case in _TABLE} == set(_DIALECTS)


# ------------------------------------------------------------------------- the vendors' clients


def _wire(model: str, texts: Sequence[str], dimensions: int | None) -> tuple[str, Any]:
    """The method and the body of the official client's one call."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={})

    transport = httpx2.MockTransport(answer)
    client = genai.Client(
        vertexai=True,
        project="p",
        location="us-central1",
        credentials=Credentials("token"),
        http_options=types.HttpOptions(
            httpx_client=httpx2.Client(transport=transport), api_version="v1"
        ),
    )
    config = types.EmbedContentConfig(output_dimensionality=dimensions)
    client.models.embed_content(model=model, contents=cast("Any", list(texts)), config=config)
    (request,) = seen
    return request.url.path.rpartition(":")[2], json.loads(request.content)


@pytest.mark.parametrize("dimensions", [None, 256])
@pytest.mark.parametrize(
    ("name", "model", "texts"),
    [
        ("2", "gemini-embedding-2", ["one"]),
        ("005", "text-embedding-005", ["one"]),
        ("005", "text-embedding-005", ["one", "two"]),
        ("multilingual", "text-multilingual-embedding-002", ["eins", "zwei"]),
    ],
)
def test_sends_what_the_official_client_sends(
    name: str, model: str, texts: list[str], dimensions: int | None
) -> None:
    method, expected = _wire(model, texts, dimensions)
    assert method == ("embedContent" if name == "2" else "predict")
    if "content" in expected:
        assert expected["content"].pop("role") == "user"  # what is meant without one, too
    line = {"model": model, "input": texts, "dimensions": dimensions}
    encoded = _DIALECTS[name].encode(msgspec.json.encode(line), named=model)
    assert isinstance(encoded, Encoded)
    assert [json.loads(body) for body in encoded.bodies] == [expected]


_FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(vectors=st.lists(st.lists(_FLOATS, min_size=1, max_size=8), min_size=1, max_size=4))
def test_base64_is_what_the_openai_client_reads(vectors: list[list[float]]) -> None:
    dialect = _DIALECTS["001"]
    texts = [str(index) for index in range(len(vectors))]
    line = {"input": texts, "encoding_format": "base64"}
    encoded = dialect.encode(msgspec.json.encode(line), named="m")
    assert isinstance(encoded, Encoded)
    body = {"predictions": [{"embeddings": {"values": vector}} for vector in vectors]}
    result = dialect.decode(200, msgspec.json.encode(body), encoded.context)
    assert isinstance(result, Result)

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert json.loads(request.content)["encoding_format"] == "base64"
        headers = {"content-type": "application/json"}
        return httpx2.Response(200, content=result.body, headers=headers)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = openai.OpenAI(api_key="k", base_url="http://x/v1", http_client=http)
    read = client.embeddings.create(model="m", input=texts)
    assert [each.index for each in read.data] == list(range(len(vectors)))
    assert [_bits(each.embedding) for each in read.data] == [_bits(each) for each in vectors]


def _bits(vector: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(vector)}f", *vector)


# --------------------------------------------------------------------- what no table can hold


def test_a_vector_stays_byte_for_byte() -> None:
    dialect = _DIALECTS["2 batch"]
    vector = b"[0.10000000000000000001,-1E-7,12345678901234567890, 0]"
    read = dialect.decode(200, b'{"embedding":{"values":' + vector + b"}}", b"")
    assert isinstance(read, Result)
    assert vector in read.body


@pytest.mark.parametrize(
    ("count", "letters", "bodies"),
    [
        (250, 1, [250]),
        (251, 1, [250, 1]),
        (2_048, 1, [250] * 8 + [48]),
        (20, 1_000, [20]),
        # A text never has more tokens than bytes: 20,000 of them are safe in any language.
        (40, 1_000, [20, 20]),
        (41, 1_000, [11, 11, 11, 8]),
        (3, 30_000, [1, 1, 1]),
    ],
)
def test_a_request_of_several_texts_is_no_larger_than_the_api_takes(
    count: int, letters: int, bodies: list[int]
) -> None:
    dialect = _DIALECTS["001"]
    line = {"input": [str(index % 10) * letters for index in range(count)]}
    encoded = dialect.encode(msgspec.json.encode(line), named="m")
    assert isinstance(encoded, Encoded)
    sent = [json.loads(body)["instances"] for body in encoded.bodies]
    assert [len(each) for each in sent] == bodies
    assert [one["content"] for each in sent for one in each] == line["input"]
    results: list[Result] = []
    first = 0
    for each in sent:
        predictions = [
            {"embeddings": {"values": [first + place], "statistics": {"token_count": 2}}}
            for place in range(len(each))
        ]
        answer = msgspec.json.encode({"predictions": predictions})
        read = dialect.decode(200, answer, encoded.context)
        assert isinstance(read, Result)
        results.append(read)
        first += len(each)
    whole = results[0] if len(results) == 1 else dialect.join(results, encoded.context)
    read_back = json.loads(whole.body)
    assert [item["index"] for item in read_back["data"]] == list(range(count))
    assert [item["embedding"] for item in read_back["data"]] == [[index] for index in range(count)]
    assert read_back["usage"]["prompt_tokens"] == whole.usage.input_tokens == 2 * count


def test_bytes_are_counted_not_letters() -> None:
    line = {"input": ["語" * 5_000, "a"]}
    encoded = _DIALECTS["001"].encode(json.dumps(line, ensure_ascii=False).encode(), named="m")
    assert isinstance(encoded, Encoded)
    # Three bytes a letter: 15,001 in all.
    assert len(encoded.bodies) == 1
    line = {"input": ["語" * 5_000, "語" * 5_000]}
    encoded = _DIALECTS["001"].encode(json.dumps(line, ensure_ascii=False).encode(), named="m")
    assert isinstance(encoded, Encoded)
    assert len(encoded.bodies) == 2


@pytest.mark.parametrize("name", _DIALECTS)
def test_refuses_more_texts_than_openai_takes(name: str) -> None:
    line = msgspec.json.encode({"input": ["a"] * 2_049})
    read = _DIALECTS[name].encode(line, named="m")
    assert msgspec.structs.asdict(read)["param"] == "input"


@pytest.mark.parametrize("name", _DIALECTS)
@pytest.mark.parametrize(
    "body", [b"", b"null", b'"a"', b'{"input":"\\ud800"}', b'{"input":"\xff"}', b"[" * 100_000]
)
def test_says_what_is_wrong_with_any_line(name: str, body: bytes) -> None:
    read = _DIALECTS[name].encode(body, named="m")
    assert not isinstance(read, Encoded)
    assert read.why


_TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_BODIES: Final = st.fixed_dictionaries(
    {"input": _TEXTS | st.lists(_TEXTS, max_size=6)},
    optional={
        "model": st.text("abc-/", max_size=8),
        "dimensions": st.none() | st.integers(-1, 4_000),
        "encoding_format": st.sampled_from([None, "float", "base64"]),
        "user": st.none() | st.text(max_size=5),
    },
)


@given(line=_BODIES, name=st.sampled_from(sorted(_DIALECTS)))
def test_any_line_is_said_or_refused_by_name_and_comes_back_in_order(
    line: dict[str, Any], name: str
) -> None:
    dialect = _DIALECTS[name]
    encoded = dialect.encode(msgspec.json.encode(line), named="m")
    texts = [line["input"]] if isinstance(line["input"], str) else line["input"]
    if not isinstance(encoded, Encoded):
        assert encoded.param.partition("[")[0] in {"input", "dimensions"}
        assert not texts or not all(texts) or line["dimensions"] not in range(1, 769)
        return
    assert encoded.warnings == (("user",) if line.get("user") is not None else ())
    size = line.get("dimensions") or 2
    sent: list[str] = []
    results: list[Result] = []
    for body in map(json.loads, encoded.bodies):
        _sent(body)
        of_body = _texts_in(body)
        vectors = [[float(len(sent) + place)] * size for place in range(len(of_body))]
        sent += of_body
        predictions = [{"embeddings": {"values": vector}} for vector in vectors]
        one = isinstance(body.get("content"), dict)
        answer = {"embedding": {"values": vectors[0]}} if one else {"predictions": predictions}
        read = dialect.decode(200, msgspec.json.encode(answer), encoded.context)
        assert isinstance(read, Result)
        results.append(read)
    assert sent == texts
    whole = results[0] if len(results) == 1 else dialect.join(results, encoded.context)
    data = json.loads(whole.body)["data"]
    if line.get("encoding_format") == "base64":
        for item in data:
            item["embedding"] = list(memoryview(b64decode(item["embedding"])).cast("f"))
    assert [item["embedding"] for item in data] == [[float(i)] * size for i in range(len(texts))]
    warned = json.loads(whole.body).get("batchway", {"warnings": []})["warnings"]
    assert [each["param"] for each in warned] == list(encoded.warnings)


def _texts_in(body: dict[str, Any]) -> list[str]:
    if "instances" in body:
        return [each["content"] for each in body["instances"]]
    content = body["content"]
    return [content] if isinstance(content, str) else [content["parts"][0]["text"]]


_NAMES: Final = [
    *("predictions", "embeddings", "embedding", "values", "statistics", "error"),
    *("token_count", "truncated", "usageMetadata", "promptTokenCount", "tokenCount"),
]
_JSON: Final = st.recursive(
    st.none()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["12", "1e9999", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(
    body=st.binary(max_size=200) | _JSON.map(msgspec.json.encode),
    context=st.sampled_from([b"", b"base64,,", b",1,,user", b"base64,2,3/1"]),
    status=st.sampled_from([200, 400, 404, 500]),
)
def test_never_raises_whatever_comes(body: bytes, context: bytes, status: int) -> None:
    for dialect in (_DIALECTS["2"], _DIALECTS["005 batch"]):
        read = dialect.decode(status, body, context)
        if isinstance(read, Result):
            data = json.loads(read.body)["data"]
            assert data
            assert all(item["embedding"] for item in data)
        elif isinstance(read, Refused):
            assert not 200 <= read.status < 300
        else:
            assert status == 200


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b'{"input":"abc"}', Size(tokens=4, inputs=1)),
        (b'{"input":["abc","def"]}', Size(tokens=6, inputs=2)),
        (b'{"input":[]}', Size(tokens=4, inputs=1)),
        (b"no JSON", Size(tokens=2, inputs=1)),
    ],
)
def test_measures_a_line(body: bytes, size: Size) -> None:
    assert _DIALECTS["2"].measure(body) == size


def test_the_parameters_are_all_of_openais() -> None:
    rows = EMBEDDINGS.rows
    assert [row.name for row in rows] == list(EmbeddingsRequest.__struct_fields__)
    assert all(row.note and row.source.startswith("https://") for row in rows)
    assert all(model.source.startswith("https://") for model in MODELS)
