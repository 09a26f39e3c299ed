"""`results.records`: result lines, byte for byte, and always JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fakes import counted_bytes

from batchway.domain.batch import Usage
from batchway.domain.batch_errors import LineText
from batchway.results.line_result import LineResult
from batchway.results.records import Records

USAGE = Usage(input_tokens=3, output_tokens=4)


def records() -> Records:
    return Records(random_bytes=counted_bytes())


@pytest.mark.parametrize(
    ("status", "request_id", "body", "ok", "expected"),
    [
        (
            200,
            "req-7",
            b'{"id": "chatcmpl", "x": 1.0}',
            True,
            b'{"id":"batch_req_00000000000000000000000000000000","custom_id":"a",'
            b'"response":{"status_code":200,"request_id":"req-7",'
            b'"body":{"id": "chatcmpl", "x": 1.0}},"error":null,"provider":"far"}',
        ),
        (
            400,
            None,
            b'{"error":{}}',
            False,
            b'{"id":"batch_req_00000000000000000000000000000000","custom_id":"a",'
            b'"response":{"status_code":400,"request_id":"00000000000000000000000000000000",'
            b'"body":{"error":{}}},"error":null,"provider":"far"}',
        ),
        (
            299,
            "",
            b"null",
            True,
            b'{"id":"batch_req_00000000000000000000000000000000","custom_id":"a",'
            b'"response":{"status_code":299,"request_id":"00000000000000000000000000000000",'
            b'"body":null},"error":null,"provider":"far"}',
        ),
    ],
)
def test_an_answer(
    status: int, request_id: str | None, body: bytes, ok: bool, expected: bytes
) -> None:
    result = records().answered(
        line=5,
        custom_id="a",
        status=status,
        request_id=request_id,
        body=body,
        usage=USAGE,
        provider="far",
    )
    assert result == LineResult(line=5, ok=ok, record=expected, usage=USAGE)


@pytest.mark.parametrize(("status", "ok"), [(199, False), (200, True), (299, True), (300, False)])
def test_only_2xx_goes_into_the_output_file(status: int, ok: bool) -> None:
    result = records().answered(
        line=0,
        custom_id="a",
        status=status,
        request_id=None,
        body=b"{}",
        usage=USAGE,
        provider="far",
    )
    assert result.ok is ok


def test_a_line_without_an_answer() -> None:
    made = records()
    made.unanswered(line=0, custom_id="first", code="c", message="m")
    assert made.unanswered(line=9, custom_id="a", code="c", message='say "no"') == LineResult(
        line=9,
        ok=False,
        record=b'{"id":"batch_req_01010101010101010101010101010101","custom_id":"a",'
        b'"response":null,"error":{"code":"c","message":"say \\"no\\""}}',
        usage=Usage(),
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            LineText.EXPIRED,
            b'{"code":"batch_expired","message":'
            b'"This request could not be executed before the completion window expired."}',
        ),
        (
            LineText.CANCELLED,
            b'{"code":"batch_cancelled","message":'
            b'"This request was not executed: the batch was cancelled."}',
        ),
    ],
)
def test_a_line_that_was_never_sent(text: LineText, error: bytes) -> None:
    assert records().withheld(line=1, custom_id="a", text=text) == LineResult(
        line=1,
        ok=False,
        record=b'{"id":"batch_req_00000000000000000000000000000000","custom_id":"a",'
        b'"response":null,"error":%b}' % error,
        usage=Usage(),
    )


@pytest.mark.parametrize(
    "custom_id", ['"', "\\", "\n\r\t\0\x1f", "ü文", "😀", "\u2028\u2029", "%s%d{}", "</script>"]
)
def test_any_custom_id_stays_itself_on_one_line(custom_id: str) -> None:
    answered = records().answered(
        line=0,
        custom_id=custom_id,
        status=200,
        request_id=custom_id,
        body=b"{}",
        usage=USAGE,
        provider=custom_id,
    )
    assert b"\n" not in answered.record
    assert json.loads(answered.record) == {
        "id": "batch_req_" + "00" * 16,
        "custom_id": custom_id,
        "response": {"status_code": 200, "request_id": custom_id, "body": {}},
        "error": None,
        "provider": custom_id,
    }


@given(st.text(), st.text(), st.text())
def test_texts_of_any_kind_are_json(custom_id: str, code: str, message: str) -> None:
    result = records().unanswered(line=0, custom_id=custom_id, code=code, message=message)
    assert b"\n" not in result.record
    assert json.loads(result.record) == {
        "id": "batch_req_" + "00" * 16,
        "custom_id": custom_id,
        "response": None,
        "error": {"code": code, "message": message},
    }


def test_ids_are_not_repeated() -> None:
    made = records()
    results = [
        made.unanswered(line=0, custom_id="a", code="c", message="m").record for _ in range(9)
    ]
    assert len({json.loads(record)["id"] for record in results}) == 9
