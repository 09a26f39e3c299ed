"""Which bodies of a 2xx are errors, with which status; and what an error says of the account."""

import pytest

from batchway.dialects.openai.answer import ErrorWithin, read_result
from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.error import Said, Words, read_error, read_words, status_within
from batchway.dialects.tolerant_json import json_in
from batchway.ports import Refused, Result

_USAGE = '"usage":{"prompt_tokens":1,"completion_tokens":1}'
_CHOICE = '{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}'


def _cut(error: str = "") -> str:
    return f'{{"index":0,"message":{{"content":"x"}},"finish_reason":"error"{error}}}'


def _chat(*choices: str) -> str:
    return f'{{"choices":[{",".join(choices)}],{_USAGE}}}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        # -- an `error`: its code as a number, in text, as a word, or none
        ('{"error":{"code":429,"message":"slow down"}}', 429),
        ('{"error":{"code":"429","message":"slow down"}}', 429),
        ('{"error":{"code":502.0,"message":"upstream"}}', 502),
        ('{"error":{"status":"RESOURCE_EXHAUSTED","code":8}}', 429),
        ('{"error":{"code":"rate_limit_exceeded","type":"tokens"}}', 429),
        ('{"error":{"code":"insufficient_quota","type":"insufficient_quota"}}', 429),
        ('{"error":{"code":"context_length_exceeded","type":"invalid_request_error"}}', 400),
        ('{"error":{"code":null,"type":"invalid_request_error"}}', 400),
        ('{"error":{"code":"invalid_api_key","type":"invalid_request_error"}}', 401),
        ('{"error":{"code":"model_not_found"}}', 404),
        ('{"error":{"code":"server_error"}}', 500),
        ('{"error":{"type":"overloaded_error"}}', 529),
        ('{"error":{"type":"InternalServerError"}}', 500),
        ('{"error":{"code":1301,"message":"of its own"}}', 500),
        ('{"error":{"code":200,"message":"odd"}}', 500),
        ('{"error":"overloaded"}', 503),
        ('{"error":"something broke"}', 500),
        ('{"error":[{"code":429}]}', 429),
        (f'{{"error":{{"code":429}},"choices":[{_CHOICE}],{_USAGE}}}', 429),
        (f'{{"error":{{"code":429}},"data":[],{_USAGE}}}', 429),
        # -- servers of their own kind
        ('{"object":"error","message":"too long","type":"BadRequestError","code":400}', 400),
        ('{"object":"error","message":"too long","type":"NotFoundError","code":null}', 404),
        ('{"detail":"Not Found"}', 404),
        ('{"detail":"broken"}', 500),
        ('{"detail":[{"loc":["body"],"msg":"field required"}]}', 422),
        ('{"code":503,"message":"busy"}', 503),
        # -- Responses
        ('{"object":"response","status":"failed","error":{"code":"server_error"}}', 500),
        ('{"object":"response","status":"failed","error":{"code":"rate_limit_exceeded"}}', 429),
        ('{"object":"response","status":"failed","error":{"code":"invalid_image_url"}}', 400),
        ('{"object":"response","status":"failed","error":null}', 500),
        # -- an answer that broke off, or holds none
        (_chat(_cut(',"error":{"code":502,"message":"x"}')), 502),
        (_chat(_cut(',"error":{"code":429}')), 429),
        (_chat(_cut()), 502),
        (_chat(_cut(), _cut()), 502),
        (_chat(), 502),
        (f'{{"choices":null,{_USAGE}}}', 502),
    ],
)  # fmt: skip
def test_a_2xx_that_is_an_error_stands_for_a_status(body: str, status: int) -> None:
    assert status_within(body.encode()) == status
    assert read_result(body.encode()) == ErrorWithin(status)


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        f'{{"choices":[{_CHOICE}],{_USAGE}}}',
        f'{{"error":null,"choices":[{_CHOICE}],{_USAGE}}}',
        f'{{"error":{{}},"choices":[{_CHOICE}]}}',
        _chat(_cut(), _CHOICE),
        '{"object":"response","status":"completed","error":null,"output":[]}',
        '{"object":"response","status":"incomplete","error":null,"output":[]}',
        '{"object":"list","data":[],"detail":"of the data"}',
        '{"results":[{"flagged":true}],"message":"x","code":400}',
        '{"message":"an odd answer"}',
        '{"choices":[{"finish_reason":7}]}',
    ],
)
def test_a_null_error_and_odd_answers_stay_results(body: str) -> None:
    assert status_within(body.encode()) is None
    assert isinstance(read_result(body.encode()), Result)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"a":NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_no_error_of_any_status(body: bytes) -> None:
    assert status_within(body) is None
    assert read_error(body) == Said()


@pytest.mark.parametrize(
    ("body", "short", "of_account"),
    [
        ('{"error":{"code":"insufficient_quota","message":"m"}}', "insufficient_quota", True),
        ('{"error":{"type":"insufficient_quota","code":null}}', "insufficient_quota", True),
        ('{"error":{"code":"billing_hard_limit_reached"}}', "billing_hard_limit_reached", True),
        ('{"error":{"code":"invalid_api_key"}}', "invalid_api_key", True),
        ('{"error":{"code":"account_deactivated"}}', "account_deactivated", True),
        ('{"error":{"message":"You exceeded your current quota, please check"}}', "", True),
        ('{"error":{"code":402,"message":"Insufficient credits"}}', "", True),
        ('{"error":{"code":"rate_limit_exceeded","type":"tokens"}}', "rate_limit_exceeded", False),
        ('{"error":{"code":429,"type":"rate_limit"}}', "rate_limit", False),
        ('{"error":{"code":"content_filter"}}', "content_filter", False),
        ('{"error":"no"}', "", False),
        ('{"detail":"no"}', "", False),
        ('{"error":{"code":"a\\nb"}}', "", False),
    ],
)
def test_what_an_error_says_of_the_account(body: str, short: str, of_account: bool) -> None:
    refused = OpenAIDialect(endpoint="/v1/embeddings", model="m").decode(400, body.encode(), b"")
    assert isinstance(refused, Refused)
    assert (refused.short, refused.of_account) == (short, of_account)


@pytest.mark.parametrize(
    ("body", "words", "word"),
    [
        (
            '{"error":{"code":"c","type":"t","message":"m","param":"p","line":3}}',
            Words(code="c", kind="t", message="m", param="p", line=3),
            "c",
        ),
        ('{"error":{"code":429,"type":"t"}}', Words(code="429", kind="t"), "t"),
        ('{"error":{"code":429},"type":"t"}', Words(code="429", kind="t"), "t"),
        (
            '[{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]',
            Words(code="404", status="NOT_FOUND", message="m"),
            "NOT_FOUND",
        ),
        ('{"error":"m","code":"c"}', Words(code="c", message="m"), "c"),
        ('{"code":20012,"message":"m","data":null}', Words(code="20012", message="m"), ""),
        ('{"detail":[{"type":"t","msg":"m"}]}', Words(kind="t", message="m"), "t"),
        ('{"errors":{"data":[{"code":"c","line":2}]}}', Words(code="c", line=2), "c"),
        ('{"status":500,"error":"m"}', Words(message="m"), ""),
        ('{"error":{"code":"not a\\ncode"}}', Words(code="not a\ncode"), ""),
        (f'{{"error":{{"code":"{"c" * 80}"}}}}', Words(code="c" * 80), "c" * 64),
        ('"m"', Words(message="m"), ""),
    ],
)
def test_one_reader_knows_every_shape(body: str, words: Words, word: str) -> None:
    assert read_words(json_in(body.encode())) == words
    assert read_error(body.encode()).word == word


def test_a_code_stands_for_an_error_however_deep_it_says_so() -> None:
    assert read_error(b'{"error":' * 4 + b'{"code":"c"}' + b"}" * 4) == Said(code="c")
    assert read_error(b'{"error":' * 9 + b'{"code":"c"}' + b"}" * 9) == Said()
