"""Lines of batch files: what is sent, and every shape of row that comes back."""

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.batch_lines import BatchLines, ReadRow

from batchway.catalog.openai_family import CATALOG, LineShape, Quirks
from batchway.dialects.openai.framing import OpenAIFraming
from batchway.dialects.openai.job_error import failure_of, judged, means_no_room
from batchway.domain.batch import BatchError, Usage
from batchway.domain.fate import Fate
from batchway.domain.remote import Cause, EnqueuedLimit, Failed, RemoteError, Trouble
from batchway.ports import Row

CHAT = "/v1/chat/completions"
CODEC = BatchLines()
MISSING = "The provider's batch gave no answer for this request."
NOT_JSON = "The provider's batch answered with something that is not JSON."


def upstream(status: int, message: str) -> bytes:
    """The body of a row whose status stood in the place of a code."""
    error = {"message": message, "type": "upstream_error", "param": None, "code": None}
    return msgspec.json.encode({"error": error})


# ----------------------------------------------------------------------------- encode


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        (
            CODEC,
            b'{"custom_id":"r0000000042","method":"POST","url":"/v1/chat/completions",'
            b'"body":{"model":"up", "n":1.0,"n":1e400}}',
        ),
        (
            BatchLines(Quirks(line=LineShape.BARE)),
            b'{"custom_id":"r0000000042","body":{"model":"up", "n":1.0,"n":1e400}}',
        ),
        (
            BatchLines(CATALOG["zhipu"].quirks),
            b'{"custom_id":"r0000000042","method":"POST","url":"/v4/chat/completions",'
            b'"body":{"model":"up", "n":1.0,"n":1e400}}',
        ),
    ],
)
def test_a_line(codec: BatchLines, expected: bytes) -> None:
    body = b'{"model":"mine/x", "n":1.0,"n":1e400}'
    for _ in range(2):  # the second time from what was kept
        assert codec.encode(line=42, endpoint=CHAT, model="up", body=body) == expected


def test_a_line_of_any_number() -> None:
    line = CODEC.encode(line=9_999_999_999, endpoint=CHAT, model="m", body=b"{}")
    assert json.loads(line)["custom_id"] == "r9999999999"


def test_a_body_that_is_no_object() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        CODEC.encode(line=1, endpoint=CHAT, model="m", body=b"[]")


@given(
    st.integers(0, 10**10 - 1),
    st.text(min_size=1).filter(lambda text: text.isprintable()),
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=4),
)
def test_what_is_sent_says_the_same(line: int, model: str, fields: dict[str, object]) -> None:
    fields.pop("model", None)
    body = msgspec.json.encode({"model": "mine", **fields})
    sent = CODEC.encode(line=line, endpoint=CHAT, model=model, body=body)
    assert b"\n" not in sent
    assert json.loads(sent) == {
        "custom_id": f"r{line:010d}",
        "method": "POST",
        "url": CHAT,
        "body": {"model": model, **fields},
    }


# ----------------------------------------------------------------------------- decode


USED = (
    b'{"id":"c","usage":{"prompt_tokens":7,"completion_tokens":2,'
    b'"prompt_tokens_details":{"cached_tokens":3}}}'
)
USAGE = Usage(input_tokens=7, cached_tokens=3, output_tokens=2)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            b'{"id":"batch_req_1","custom_id":"r0000000001","response":{"status_code":200,'
            b'"request_id":"q","body":%b},"error":null}' % USED,
            ReadRow(line=1, status=200, request_id="q", body=USED, usage=USAGE),
        ),
        (  # Azure: no id, other order, more fields
            b'{"custom_id":"r0000000001","response":{"body":%b,"request_id":"q",'
            b'"status_code":200,"x":[1]},"error":null,"y":{}}' % USED,
            ReadRow(line=1, status=200, request_id="q", body=USED, usage=USAGE),
        ),
        (  # every byte of a body is kept, the spaces around it are not; half a pair is no Unicode
            b'{"custom_id":"r0000000001","response":{"status_code":201,"body": '
            b'{"a": 1.0 ,"a":1e400,"s":"\\u00e9\xc3\xa9\\ud83d"} }}\r',
            ReadRow(line=1, status=201, body=b'{"a": 1.0 ,"a":1e400,"s":"\\u00e9\xc3\xa9\\ud83d"}'),
        ),
        (  # a failure over HTTP, kept as well
            b'{"custom_id":"r0000000001","response":{"status_code":400,"body":'
            b'{"error": {"message": "\xc3\xa9", "n": 1.0}}},"error":null}',
            ReadRow(line=1, status=400, body=b'{"error": {"message": "\xc3\xa9", "n": 1.0}}'),
        ),
        (
            b'{"custom_id":"r0000000001","response":{"status_code":400,"body":{"a":\r1}}}',
            ReadRow(line=1, status=400, body=b'{"a":1}'),
        ),
        (  # without a body
            b'{"custom_id":"r0000000001","response":{"status_code":503,"body":null}}',
            ReadRow(
                line=1,
                status=503,
                body=upstream(503, "The provider answered 503 with an empty body."),
            ),
        ),
        (  # a body within a string
            b'{"custom_id":"r0000000001","response":{"status_code":400,'
            b'"body":"{\\"error\\":{\\"message\\":\\"m\\"}}"}}',
            ReadRow(line=1, status=400, body=b'{"error":{"message":"m"}}'),
        ),
        (
            b'{"custom_id":"r0000000001","response":{"status_code":500,"body":"plain words"}}',
            ReadRow(line=1, status=500, body=upstream(500, "plain words")),
        ),
        (
            b'{"custom_id":"r0000000001","response":{"status_code":200,"body":"{\\"a\\":1}"}}',
            ReadRow(line=1, status=200, body=b'{"a":1}'),
        ),
        (  # never run
            b'{"id":"b","custom_id":"r0000000001","response":null,'
            b'"error":{"code":"batch_expired","message":"m"}}',
            ReadRow(line=1, code="batch_expired", message="m"),
        ),
        (  # a status for a code
            b'{"custom_id":"r0000000001","response":null,"error":{"code":"400","message":"m"}}',
            ReadRow(line=1, status=400, body=upstream(400, "m")),
        ),
        (
            b'{"custom_id":"r0000000001","error":{"code":429,"message":"m"}}',
            ReadRow(line=1, status=429, body=upstream(429, "m")),
        ),
        (
            b'{"custom_id":"r0000000001","error":{"code":"500"}}',
            ReadRow(
                line=1,
                status=500,
                body=upstream(500, "The provider answered 500 without a message."),
            ),
        ),
        (  # an error alone
            b'{"custom_id":"r0000000001","error":{"code":"bad_prompt","message":"m"}}',
            ReadRow(line=1, code="bad_prompt", message="m"),
        ),
        (
            b'{"custom_id":"r0000000001","error":"words"}',
            ReadRow(line=1, code="missing_result", message="words"),
        ),
        (
            b'{"custom_id":"r0000000001","error":{"error":{"type":"t","message":"m"}}}',
            ReadRow(line=1, code="t", message="m"),
        ),
        (  # no status
            b'{"custom_id":"r0000000001","response":{"body":%b}}' % USED,
            ReadRow(line=1, status=200, body=USED, usage=USAGE),
        ),
        (
            b'{"custom_id":"r0000000001","response":{"body":{"error":{"code":503,"message":"m"}}}}',
            ReadRow(line=1, status=503, body=b'{"error":{"code":503,"message":"m"}}'),
        ),
        (
            b'{"custom_id":"r0000000001","response":{"body":{"error":{"code":"x","message":"m"}}}}',
            ReadRow(line=1, code="x", message="m"),
        ),
        (  # odd types
            b'{"custom_id":"r0000000001","response":{"status_code":"200","request_id":7,"body":{}}}',
            ReadRow(line=1, status=200, body=b"{}"),
        ),
        (
            b'{"custom_id":"r0000000001","response":{"status_code":429.0,"body":{"error":"no"}}}',
            ReadRow(line=1, status=429, body=b'{"error":"no"}'),
        ),
        (  # an outage at OpenAI
            b'{"custom_id":"r0000000001","response":{"status_code":0,"request_id":"","body":""},'
            b'"error":null}',
            ReadRow(line=1, code="missing_result", message=MISSING),
        ),
        (  # nothing at all
            b'{"custom_id":"r0000000001","response":null,"error":null}',
            ReadRow(line=1, code="missing_result", message=MISSING),
        ),
        (b'{"custom_id":"r0000000001"}', ReadRow(line=1, code="missing_result", message=MISSING)),
        (
            b'{"custom_id":"r0000000001","response":[],"error":[]}',
            ReadRow(line=1, code="missing_result", message=MISSING),
        ),
        (  # an answer that is none
            b'{"custom_id":"r0000000001","response":{"status_code":200,"body":"words"}}',
            ReadRow(line=1, code="invalid_provider_response", message=NOT_JSON),
        ),
        (
            b'{"custom_id":"r0000000001","response":{"status_code":200,"body":[1]}}',
            ReadRow(line=1, code="invalid_provider_response", message=NOT_JSON),
        ),
        (  # not UTF-8
            b'{"custom_id":"r0000000001","response":{"status_code":200,"body":{"a":"\xff"}}}',
            ReadRow(line=1, code="invalid_provider_response", message=NOT_JSON),
        ),
        (  # a mark at the start of the file
            b'\xef\xbb\xbf{"custom_id":"r0000000001","response":{"status_code":200,"body":{}}}',
            ReadRow(line=1, status=200, body=b"{}"),
        ),
    ],
)
def test_a_row(row: bytes, expected: ReadRow) -> None:
    assert CODEC.decode(row) == expected


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("r0000000042", 42),
        ("R0000000042", 42),
        ("r42", 42),
        ("r0", 0),
        ("r9999999999", 9_999_999_999),
        ("42", None),
        ("r", None),
        ("r-1", None),
        ("rx0000000042", None),
        ("r0000000042x", None),
        ("r10000000000", None),
        ("request-1", None),
        ("r٤٢", None),
        ("", None),
    ],
)
def test_ids(given: str, line: int | None) -> None:
    row = json.dumps(
        {"custom_id": given, "response": {"status_code": 200, "body": {}}}, ensure_ascii=False
    )
    decoded = CODEC.decode(row.encode())
    assert (None if decoded is None else decoded.line) == line


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"text",
        b'{"custom_id":42,"response":{"status_code":200,"body":{}}}',
        b'{"custom_id":null}',
        b'{"error":{"code":"x","message":"m"}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"custom_id":"r0000000001","response":' + b'{"a":' * 100_000,
    ],
)
def test_rows_that_are_not_ours(row: bytes) -> None:
    assert CODEC.decode(row) is None


WHOLE = (
    b'{"id":"b","custom_id":"r0000000001","response":{"status_code":200,"request_id":"q",'
    b'"body":{"choices":[{"message":{"content":"\xc3\xa9"}}]}},"error":null}'
)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_torn_row(cut: int) -> None:
    assert CODEC.decode(WHOLE[:cut]) is None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_row_breaks_it(row: bytes) -> None:
    CODEC.decode(row)
    for wrapped in (
        b'{"custom_id":"r1","response":{"status_code":200,"body":%b}}' % row,
        b'{"custom_id":"r1","response":%b,"error":%b}' % (row, row),
    ):
        decoded = CODEC.decode(wrapped)
        if decoded is not None and decoded.status is not None:
            assert b"\n" not in decoded.body
            json.loads(decoded.body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "code", "message", "status_code", "body", "type"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_gives_a_row_of_this_line(value: object) -> None:
    for fields in ({"response": value}, {"error": value}, {"response": value, "error": value}):
        decoded = CODEC.decode(msgspec.json.encode({"custom_id": "r7", **fields}))
        assert decoded is not None
        assert decoded.line == 7
        assert (decoded.status is None) == bool(decoded.code)


# ----------------------------------------------------------------------------- envelopes

FRAMING = OpenAIFraming(endpoint=CHAT)


@pytest.mark.parametrize(("part", "sent"), [(0, "r0000000042"), (1, "p000002a001")])
def test_a_line_of_several_requests(part: int, sent: str) -> None:
    line = FRAMING.line(line=42, part=part, body=b"{}")
    assert json.loads(line)["custom_id"] == sent
    row = FRAMING.row(
        b'{"custom_id":"%b","response":{"status_code":200,"body":{}}}' % sent.encode()
    )
    assert row == Row(42, part, Fate.ANSWERED, 200, b"{}")


@pytest.mark.parametrize(
    ("status", "code", "fate"),
    [
        (200, "", Fate.ANSWERED),
        (299, "insufficient_quota", Fate.ANSWERED),  # its body is the dialect's to read
        (400, "invalid_request_error", Fate.FAILED),
        (400, "billing_hard_limit_reached", Fate.ACCOUNT),
        (401, "", Fate.ACCOUNT),
        (402, "", Fate.ACCOUNT),
        (403, "model_not_found", Fate.FAILED),
        (403, "insufficient_quota", Fate.ACCOUNT),
        (404, "insufficient_quota", Fate.FAILED),
        (408, "", Fate.PASSING),
        (429, "rate_limit_exceeded", Fate.PASSING),
        (429, "insufficient_quota", Fate.ACCOUNT),
        (500, "", Fate.PASSING),
        (None, "batch_expired", Fate.UNTRIED),
        (None, "batch_cancelled", Fate.UNTRIED),
        (None, "insufficient_quota", Fate.ACCOUNT),
        (None, "server_error", Fate.PASSING),
        (None, "missing_result", Fate.PASSING),
        (None, "invalid_request", Fate.FAILED),
        (None, "429", Fate.PASSING),
        (None, "401", Fate.ACCOUNT),
    ],
)
def test_fates(status: int | None, code: str, fate: Fate) -> None:
    error = {"code": code, "message": "m"}
    response = {"status_code": status, "body": {"error": error}}
    given = {"error": error} if status is None else {"response": response}
    row = FRAMING.row(msgspec.json.encode({"custom_id": "r1", **given}))
    assert row is not None
    assert (row.line, row.part, row.fate) == (1, 0, fate)


# ----------------------------------------------------------------------------- no room


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("token_limit_exceeded", "", True),
        ("TOKEN_LIMIT_EXCEEDED", "", True),
        ("billing_hard_limit_reached", "Billing hard limit has been reached", True),
        (
            None,
            "Enqueued token limit reached for gpt-4o-mini in organization org-1. Limit: 2,000,000 "
            "enqueued tokens. Please try again once some in_progress batches have been completed.",
            True,
        ),
        (
            "batch_failed",
            "Enqueued request limit reached for text-embedding-3-small in organization org-1.",
            True,
        ),
        (
            None,
            "The number of enqueued tokens has surpassed the configured limit of 30K for the "
            "deployment 'gpt-4.1-batch'.",
            True,
        ),
        (None, "Batch creation rate limit: You can create up to 2,000 batches per hour", True),
        (None, "The service is at capacity, please try again later.", True),
        (None, "This request is malformed. Correct it and try again.", False),
        (None, "The batch input file is larger than the 209715200 maximum for the model", False),
        ("context_length_exceeded", "This model's maximum context length is 8192 tokens.", False),
        ("model_not_found", "The provided model 'x' is not supported by the Batch API.", False),
        (None, "", False),
    ],
)
def test_no_room(code: str | None, message: str, expected: bool) -> None:
    assert means_no_room(code, message) is expected


@pytest.mark.parametrize(
    "text",
    [
        "enqueued token ",
        "enqueued tokens limi",
        "quota was ",
        "limit busy ",
        "too many ",
        "limit" + " " * 195 + "try agai ",
    ],
)
def test_a_long_message_is_searched_in_no_time(text: str) -> None:
    started = time.process_time()
    assert means_no_room(None, text * 100_000) is False
    assert time.process_time() - started < 0.5


T = Trouble


@pytest.mark.parametrize(
    ("trouble", "status", "code", "verdict", "limit", "credit"),
    [
        (T.BUSY, 429, "insufficient_quota", T.NO_ROOM, None, True),
        (T.BUSY, 429, "rate_limit_exceeded", T.NO_ROOM, None, False),
        (T.BUSY, 429, None, T.BUSY, None, False),
        (T.REFUSED, 400, "token_limit_exceeded", T.NO_ROOM, EnqueuedLimit(), False),
        (T.DENIED, 403, "token_limit_exceeded", T.NO_ROOM, EnqueuedLimit(), False),
        (T.DENIED, 402, None, T.DENIED, None, True),
        (T.DENIED, 401, "invalid_api_key", T.DENIED, None, False),
        (T.NOT_FOUND, 404, "model_not_found", T.NOT_FOUND, None, False),
        # It may have happened, whatever it says.
        (T.UNCERTAIN, 503, "rate_limit_exceeded", T.UNCERTAIN, None, False),
    ],
)
def test_verdicts_on_calls(
    *,
    trouble: Trouble,
    status: int,
    code: str | None,
    verdict: Trouble,
    limit: EnqueuedLimit | None,
    credit: bool,
) -> None:
    given = RemoteError(trouble, "It said no.", code=code, status=status, retry_after=3.0)
    found = judged(given)
    assert (found.trouble, found.limit, found.credit) == (verdict, limit, credit)
    assert (found.message, found.code, found.status) == (given.message, code, status)
    assert found.retry_after == 3.0


BAD = BatchError(code="invalid", message="Bad line.")
UNSEEN = BatchError(code="x", message="No such file: file-123.")
FULL = BatchError(code="token_limit_exceeded", message="Limit: 90,000 enqueued tokens.")
BROKE = BatchError(code="insufficient_quota", message="No credit.")


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([], Failed(cause=Cause.REFUSED)),
        ([BAD], Failed(cause=Cause.REFUSED, error=BAD)),
        ([BAD, UNSEEN], Failed(cause=Cause.UNSEEN, error=UNSEEN)),
        (
            [UNSEEN, FULL],
            Failed(cause=Cause.NO_ROOM, error=FULL, limit=EnqueuedLimit(tokens=90_000)),
        ),
        ([BROKE], Failed(cause=Cause.NO_ROOM, error=BROKE, credit=True)),
    ],
)
def test_why_a_job_failed(errors: list[BatchError], expected: Failed) -> None:
    assert failure_of(errors) == expected


# ----------------------------------------------------------------------------- what errors say


def test_messages_are_bounded() -> None:
    long = "m" * 5_000
    row = msgspec.json.encode({"custom_id": "r1", "error": {"code": "c" * 999, "message": long}})
    assert CODEC.decode(row) == ReadRow(line=1, code="c" * 256, message="m" * 1_000)
    row = msgspec.json.encode({"custom_id": "r1", "error": {"code": "500", "message": long}})
    assert CODEC.decode(row) == ReadRow(line=1, status=500, body=upstream(500, "m" * 1_000))


def test_a_code_of_hundreds_of_digits() -> None:
    row = b'{"custom_id":"r1","error":{"code":%b,"message":"m"}}' % (b"9" * 400)
    assert CODEC.decode(row) == ReadRow(line=1, code="missing_result", message="m")


def test_credentials_are_cut_out_of_errors_and_not_out_of_answers() -> None:
    codec = BatchLines(secrets=lambda: ["s3cret"])
    said = b'{"custom_id":"r1","response":{"status_code":%d,"body":{"error":"key s3cret"}}}'
    assert codec.decode(said % 401) == ReadRow(line=1, status=401, body=b'{"error":"key ***"}')
    given = b'{"custom_id":"r1","response":{"status_code":200,"body":{"text":"key s3cret"}}}'
    assert codec.decode(given) == ReadRow(line=1, status=200, body=b'{"text":"key s3cret"}')
    # Before it is cut: half a key would be left.
    message = "m" * 997 + "s3cret"
    row = msgspec.json.encode({"custom_id": "r1", "error": {"code": "c", "message": message}})
    assert codec.decode(row) == ReadRow(line=1, code="c", message="m" * 997 + "***")
