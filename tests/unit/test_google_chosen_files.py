"""Objects of Cloud Storage in lines for open models: the operator's choice, however it is spelt."""

import json
from typing import Any

import pytest

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.stored_files import NOT_READABLE
from batchway.domain.endpoint import Endpoint
from batchway.ports import Encoded, Unfaithful
from batchway.providers.google.chosen_files import ChosenFilesDialect
from batchway.providers.google.dialects import dialect_of
from batchway.providers.google.models import read_model
from batchway.providers.google.place import Place

INNER = OpenAIDialect(endpoint=Endpoint.CHAT_COMPLETIONS, model="meta/m")
DIALECT = ChosenFilesDialect(INNER, readable=["gs://theirs/in/"])
WORDS = {"type": "text", "text": "gs://any/words"}


def said(*parts: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}]}).encode()


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    "body",
    [
        said(WORDS, image("gs://theirs/in/a.png")),
        said(WORDS, image("gs://theirs/in/../in/a.png")),
        said(image("https://example.com/a.png"), image("data:image/png;base64,AA==")),
        b'{"model":"m","messages":[{"role":"user","content":"gs://any/words"}]}',
        b'{"model":"m","messages":7,"user":"gs://any"}',
    ],
)
def test_what_may_be_said(body: bytes) -> None:
    assert DIALECT.encode(body, named="m") == INNER.encode(body, named="m")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (said(WORDS, image("gs://theirs/in")), "messages[0].content[1].image_url.url"),
        (said(image("gs://theirs/in-2/a.png")), "messages[0].content[0].image_url.url"),
        (said(image(" GS://theirs/in/a.png")), "messages[0].content[0].image_url.url"),
        (said({"type": "video_url", "video_url": {"x": [{"y": "gs://o/a"}]}}),
         "messages[0].content[0].video_url.x[0].y"),
        (said({"type": "file", "file": {"file_data": "gs://o/a.pdf"}}),
         "messages[0].content[0].file.file_data"),
        (said(image("?")).replace(b"?", b"\\u0067\\u0073\\u003a\\/\\/o/a"),
         "messages[0].content[0].image_url.url"),
        (said(image("?")).replace(b"?", b"\\n\\u0020gs:\\/\\/o/a"),
         "messages[0].content[0].image_url.url"),
        (said(image("gs://o/a")).replace(b'"url":', b'"url":"https://x/a.png","url":'),
         "messages[0].content[0].image_url.url"),
        (said(image("gs://o/a")).replace(b'/a"', b'/a","url":"https://x/a.png"'),
         "messages[0].content[0].image_url.url"),
        (said(image("gs://o/a"))[:-1] + b',"messages":[]}',
         "messages[0].content[0].image_url.url"),
        (said(image("gs://theirs/in/batchway-0123456789abcdef0123456789abcdef-0-1/input.jsonl")),
         "messages[0].content[0].image_url.url"),
    ],
)  # fmt: skip
def test_what_may_not(body: bytes, place: str) -> None:
    assert DIALECT.encode(body, named="m") == Unfaithful(place, NOT_READABLE)


def test_many_parts_are_looked_through_in_no_time() -> None:
    body = said(*([0] * 300_000), image("gs://o/a"))
    refused = DIALECT.encode(body, named="m")
    assert refused == Unfaithful("messages[0].content[300000].image_url.url", NOT_READABLE)


@pytest.mark.parametrize("readable", [(), ("gs://o/",)])
@pytest.mark.parametrize("model", ["meta/llama-3.3-70b-instruct-maas", "gemini-2.5-flash"])
def test_every_model_of_an_account_asks_its_setting(model: str, readable: tuple[str, ...]) -> None:
    place = Place(project="p-1", region="us-central1", readable=readable)
    chat = dialect_of(read_model(model, place, {}), Endpoint.CHAT_COMPLETIONS, batch=True)
    responses = dialect_of(read_model(model, place, {}), Endpoint.RESPONSES, batch=True)
    assert chat is not None
    assert responses is not None
    asked = {
        "model": "m",
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_image", "image_url": "gs://o/a.png", "detail": "auto"}],
            }
        ],
    }
    for outcome in (
        chat.encode(said(image("gs://o/a.png")), named="m"),
        responses.encode(json.dumps(asked).encode(), named="m"),
    ):
        if readable:
            assert isinstance(outcome, Encoded)
        else:
            assert isinstance(outcome, Unfaithful)
            assert outcome.why == NOT_READABLE
