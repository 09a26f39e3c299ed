"""What every dialect keeps to (`ports.Dialect`), whatever its wire.

A dialect joins by a row in `dialect_samples.DIALECTS`: lines that it can say, answers as its
upstream gives them, and errors that come as a success. `tests/tiny_dialect.py` is there to show
that a row is enough; `tests/toy` is a whole provider.
"""

import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.dialect_samples import DIALECTS, MODEL, Sample

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.domain.batch import Usage
from batchway.ports import Dialect, Encoded, Refused, Result, Size, Unfaithful

MOST_CONTEXT = 200
STATUSES = (301, 304, 400, 401, 403, 404, 408, 429, 500, 503, 529)
GARBAGE = (
    b"",
    b"<html>",
    b"[1]",
    b"null",
    b'"text"',
    b'{"a":',
    b"\xff\xfe",
    b"data: {}",
    b"[" * 999,
)


@pytest.fixture(params=sorted(DIALECTS))
def sample(request: pytest.FixtureRequest) -> Sample:
    name: str = request.param
    return DIALECTS[name]


def _encoded(dialect: Dialect, body: bytes) -> Encoded:
    encoded = dialect.encode(body, named="mine")
    assert isinstance(encoded, Encoded)
    return encoded


def _one_line(body: bytes) -> object:
    assert b"\n" not in body
    assert b"\r" not in body
    return json.loads(body.decode())


def _one_line_object(body: bytes) -> dict[str, object]:
    found = _one_line(body)
    assert isinstance(found, dict)
    return cast("dict[str, object]", found)


# ----------------------------------------------------------------------------- encode


def test_a_line_becomes_requests_of_one_line_of_json_each(sample: Sample) -> None:
    for body, requests in sample.lines.items():
        encoded = _encoded(sample.new(), body)
        assert len(encoded.bodies) == requests
        assert len(encoded.context) <= MOST_CONTEXT
        for request in encoded.bodies:
            _one_line_object(request)


def test_encoding_keeps_nothing_of_the_lines_before(sample: Sample) -> None:
    used = sample.new()
    for body in [*sample.lines, *sample.unsaid, *sample.lines]:
        assert used.encode(body, named="mine") == sample.new().encode(body, named="mine")


def test_what_cannot_be_said_names_its_parameter(sample: Sample) -> None:
    dialect = sample.new()
    assert not (dialect.faithful and sample.unsaid)
    for body, param in sample.unsaid.items():
        unfaithful = dialect.encode(body, named="mine")
        assert isinstance(unfaithful, Unfaithful)
        assert unfaithful.param == param
        assert unfaithful.why[:1].isupper()
        assert unfaithful.why.endswith(".")


def test_a_faithful_dialect_says_every_body_of_openai_s() -> None:
    for sample in DIALECTS.values():
        if sample.new().faithful:
            for other in DIALECTS.values():
                for body in [*other.lines, *other.unsaid]:
                    assert isinstance(sample.new().encode(body, named="mine"), Encoded)


# ----------------------------------------------------------------------------- decode


def test_an_answer_is_an_object_in_one_line_with_its_usage(sample: Sample) -> None:
    dialect = sample.new()
    context = _encoded(dialect, next(iter(sample.lines))).context
    for body, usage in sample.answers.items():
        result = dialect.decode(200, body, context)
        assert isinstance(result, Result)
        assert _one_line_object(result.body).get("error") is None
        assert result.usage == usage
        assert dialect.decode(201, body, context) == result


def _check_refusal(refused: Refused) -> None:
    _one_line(refused.body)
    for word in (refused.code, refused.kind, refused.short):
        assert len(word) <= 64
        assert word.isascii()
        assert word == "" or word.isprintable()
    assert refused.of_account or not refused.no_credit or refused.status == 402


def test_a_success_that_is_an_error_stands_for_its_status(sample: Sample) -> None:
    dialect = sample.new()
    for body, status in sample.errors.items():
        refused = dialect.decode(200, body, b"")
        assert isinstance(refused, Refused)
        assert refused.status == status
        _check_refusal(refused)


@pytest.mark.parametrize("status", STATUSES)
def test_every_other_status_is_a_refusal_with_that_status(sample: Sample, status: int) -> None:
    dialect = sample.new()
    for body in [*sample.answers, *sample.errors, *sample.of_account]:
        refused = dialect.decode(status, body, b"")
        assert isinstance(refused, Refused)
        assert refused.status == status
        _check_refusal(refused)


@pytest.mark.parametrize("body", GARBAGE)
def test_garbage_is_nothing_in_a_success_and_a_refusal_else(sample: Sample, body: bytes) -> None:
    dialect = sample.new()
    assert dialect.decode(200, body, b"") is None
    refused = dialect.decode(500, body, b"")
    assert isinstance(refused, Refused)
    assert not refused.of_account
    _check_refusal(refused)


def test_what_tells_of_the_account_is_told_apart(sample: Sample) -> None:
    dialect = sample.new()
    for body in sample.of_account:
        refused = dialect.decode(403, body, b"")
        assert isinstance(refused, Refused)
        assert refused.of_account
    for body in sample.errors:
        refused = dialect.decode(400, body, b"")
        assert isinstance(refused, Refused)
        assert not refused.of_account


@given(
    status=st.integers(min_value=100, max_value=599),
    body=st.binary(max_size=60),
    which=st.integers(min_value=0, max_value=9),
)
def test_whatever_comes_is_read_as_one_of_three(status: int, body: bytes, which: int) -> None:
    for sample in DIALECTS.values():
        # What comes is anybody's; the context is what was made of a line, and kept.
        line = [*sample.lines][which % len(sample.lines)]
        read = sample.new().decode(status, body, _encoded(sample.new(), line).context)
        success = 200 <= status < 300
        assert isinstance(read, Result | Refused | None)
        assert success or isinstance(read, Refused)
        if isinstance(read, Refused):
            assert not 200 <= read.status < 300
            assert success or read.status == status


# ----------------------------------------------------------------------------- join, measure


def test_results_of_several_requests_are_joined_in_their_order(sample: Sample) -> None:
    dialect = sample.new()
    for body, requests in sample.lines.items():
        if requests == 1:
            continue
        encoded = _encoded(dialect, body)
        ((answer, usage),) = [*sample.answers.items()][:1]
        results: list[Result] = []
        for _ in encoded.bodies:
            result = dialect.decode(200, answer, encoded.context)
            assert isinstance(result, Result)
            results.append(result)
        joined = dialect.join(results, encoded.context)
        assert len(_listed(joined)) == requests
        assert joined.usage == sum([usage] * requests, Usage())


def _listed(result: Result) -> list[object]:
    listed = _one_line_object(result.body)["data"]
    assert isinstance(listed, list)
    return cast("list[object]", listed)


@pytest.mark.parametrize(
    "body", [*GARBAGE, b"{}", b'{"input":[]}', b'{"max_tokens":-1}', b'{"n":"x","input":7}']
)
def test_any_body_has_a_size(sample: Sample, body: bytes) -> None:
    size = sample.new().measure(body)
    assert isinstance(size, Size)
    assert size.tokens >= 0
    assert size.inputs >= 0


def test_a_line_that_says_more_is_larger(sample: Sample) -> None:
    for body in sample.lines:
        longer = body.replace(b'"a"', b'"' + b"a" * 4_000 + b'"').replace(b"hi", b"hi" * 4_000)
        if longer != body:
            assert sample.new().measure(longer).tokens > sample.new().measure(body).tokens + 500


# ----------------------------------------------------------------------------- OpenAI's own


@pytest.mark.parametrize(
    ("endpoint", "named", "body", "sent"),
    [
        ("/v1/chat/completions", MODEL, b'{ "x":1.0 }', b'{ "x":1.0 }'),
        (
            "/v1/chat/completions",
            "mine",
            b'{ "model" : "mine", "x":1e400}',
            b'{ "model" : "upstream/model", "x":1e400}',
        ),
        ("/v1/responses", MODEL, b'{"input":"a"}', b'{"stream":false,"input":"a"}'),
        ("/v1/responses", MODEL, b'{"stream":true}', b'{"stream":true}'),
        (
            "/v1/responses",
            "mine",
            b'{"model":"mine"}',
            b'{"stream":false,"model":"upstream/model"}',
        ),
    ],
)
def test_openai_s_bodies_are_spliced_and_else_left_alone(
    endpoint: str, named: str, body: bytes, sent: bytes
) -> None:
    encoded = OpenAIDialect(endpoint=endpoint, model=MODEL).encode(body, named=named)
    assert encoded == Encoded((sent,))
    if sent == body:
        assert encoded.bodies[0] is body


def test_a_body_of_openai_s_that_is_no_object_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        OpenAIDialect(endpoint="/v1/chat/completions", model=MODEL).encode(b"[]", named="mine")


def test_texts_are_counted_of_embeddings_alone() -> None:
    body = b'{"input":["a","b","c"]}'
    sizes = [
        OpenAIDialect(endpoint=endpoint, model=MODEL).measure(body).inputs
        for endpoint in ("/v1/embeddings", "/v1/responses")
    ]
    assert sizes == [3, 1]
