"""What dialects keep of the schemas of lines: how much, how long, and that it changes no line."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from batchway.dialects.anthropic.dialect import AnthropicDialect
from batchway.dialects.gemini.dialect import GeminiDialect
from batchway.dialects.gemini.translations import answer_of
from batchway.dialects.kept import Kept
from batchway.ports.dialect import Dialect, Encoded, Unfaithful

_DIALECTS: dict[str, Dialect] = {
    "gemini": GeminiDialect(model="gemini-2.5-flash", batch=False),
    "gemini, batch": GeminiDialect(model="gemini-2.5-flash", batch=True),
    "claude": AnthropicDialect(model="claude-sonnet-4-5"),
}


class _Upper(msgspec.Struct, frozen=True):
    text: bytes

    @property
    def size(self) -> int:
        return len(self.text)


class _Making:
    """Makes capitals, and counts how often."""

    def __init__(self) -> None:
        self.made: list[tuple[bytes, bool]] = []

    def __call__(self, schema: bytes, variant: bool) -> _Upper:
        self.made.append((schema, variant))
        return _Upper(schema.upper() if variant else schema)


def test_a_schema_is_translated_once_for_each_variant() -> None:
    making = _Making()
    kept = Kept(making)
    for _ in range(3):
        assert kept(b"a", True) == _Upper(b"A")
        assert kept(b"a", False) == _Upper(b"a")
    assert making.made == [(b"a", True), (b"a", False)]


def test_the_oldest_goes_when_there_is_no_more_room() -> None:
    making = _Making()
    kept = Kept(making, most=2_000)
    for text in (b"a" * 100, b"b" * 100, b"c" * 100, b"b" * 100, b"a" * 100):
        kept(text, True)
        assert kept.held <= 2_000
    # Two have room: the first went for the third, and was translated anew.
    assert [text[:1] for text, _ in making.made] == [b"a", b"b", b"c", b"a"]


def test_what_would_take_much_of_the_room_is_not_kept() -> None:
    making = _Making()
    kept = Kept(making)
    for _ in range(2):
        kept(b"a" * 200_000, True)
    assert len(making.made) == 2
    assert kept.held == 0


def test_many_threads_keep_no_more_than_there_is_room_for() -> None:
    kept = Kept(_Making(), most=20_000)

    def use(start: int) -> None:
        for number in range(start, start + 200):
            text = b"s%d" % (number % 60)
            assert kept(text, True) == _Upper(text.upper())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(8)))
    assert 0 < kept.held <= 20_000


def test_the_same_schema_under_two_names_is_kept_once() -> None:
    dialect = _DIALECTS["gemini, batch"]

    def shape(name: str) -> object:
        line = {
            "messages": [{"role": "user", "content": name}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": name, "schema": {"type": "array", "items": {"const": 7}}},
            },
        }
        encoded = dialect.encode(msgspec.json.encode(line), named="m")
        assert isinstance(encoded, Encoded)
        assert f'"title":"{name}"'.encode() in encoded.bodies[0]
        return encoded.shape

    first = shape("first")
    before = answer_of.held
    # The name stands in the body's schema, so lines of two names do not share a job.
    assert shape("second") != first
    assert shape("first") == first
    assert answer_of.held == before


@pytest.mark.parametrize("name", _DIALECTS)
@pytest.mark.parametrize(
    "odd", [b'{"title":"\xff"}', b'{"minimum":1e999999}', b"[1]", b'"x"', b"7"]
)
def test_a_schema_that_is_none_is_refused_by_name(name: str, odd: bytes) -> None:
    asked = b'{"messages":[{"role":"user","content":"a"}],%b}'
    tools = b'"tools":[{"type":"function","function":{"name":"f","parameters":%b}}]' % odd
    form = b'"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":%b}}' % odd
    for part, param in (
        (tools, "tools[0].function.parameters"),
        (form, "response_format.json_schema.schema"),
    ):
        for _ in range(2):
            said = _DIALECTS[name].encode(asked % part, named="m")
            assert isinstance(said, Unfaithful)
            assert said.param == param
            assert said.why[0].isupper()
            assert said.why[-1] == "."


@pytest.mark.parametrize("name", _DIALECTS)
def test_a_schema_on_several_lines_is_sent_in_one(name: str) -> None:
    schema = b'{\n "type": "object",\r\n "properties": {"a": {"type": "string"}}}'
    line = b'{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":'
    said = _DIALECTS[name].encode(
        line + b'{"name":"f","parameters":%b}}]}' % schema,
        named="m",
    )
    assert isinstance(said, Encoded)
    assert b"\n" not in said.bodies[0]
    assert b"\r" not in said.bodies[0]
