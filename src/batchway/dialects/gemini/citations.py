"""What an answer rests on: Gemini's grounding and citations as OpenAI's `url_citation`s.

Gemini counts bytes of UTF-8, in a part where it says which; OpenAI counts characters of the whole
text. Pure. Source: https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/GroundingMetadata
"""

from typing import Any

import msgspec


class _Source(msgspec.Struct, gc=False):
    uri: str | None = None
    title: str | None = None


class _Chunk(msgspec.Struct, rename="camel", gc=False):
    web: _Source | None = None
    retrieved_context: _Source | None = None
    maps: _Source | None = None


class _Segment(msgspec.Struct, rename="camel", gc=False):
    part_index: int | None = None
    start_index: int | None = None
    end_index: int | None = None


class _Support(msgspec.Struct, rename="camel", gc=False):
    segment: _Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingMetadata(msgspec.Struct, rename="camel", gc=False):
    """Which words rest on which of the sources that were found."""

    grounding_chunks: list[_Chunk] | None = None
    grounding_supports: list[_Support] | None = None


class _Citation(msgspec.Struct, rename="camel", gc=False):
    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class CitationMetadata(msgspec.Struct, gc=False):
    """Which words are those of a source."""

    citations: list[_Citation] | None = None


def annotations_of(
    grounding: GroundingMetadata | None, citations: CitationMetadata | None, texts: list[str]
) -> list[dict[str, Any]]:
    """The citations of an answer. `texts` are its parts, with nothing for what is no text."""
    found: list[dict[str, Any]] = []
    if grounding is not None:
        sources = [
            chunk.web or chunk.retrieved_context or chunk.maps
            for chunk in grounding.grounding_chunks or ()
        ]
        for support in grounding.grounding_supports or ():
            segment = support.segment or _Segment()
            span = _span(segment.part_index, segment.start_index, segment.end_index, texts)
            found += [
                _annotation(sources[index], span)
                for index in support.grounding_chunk_indices or ()
                if 0 <= index < len(sources)
            ]
    if citations is not None:
        whole = ["".join(texts)]
        found += [
            _annotation(
                _Source(each.uri, each.title), _span(0, each.start_index, each.end_index, whole)
            )
            for each in citations.citations or ()
        ]
    return [each for each in found if each]


def _annotation(source: _Source | None, span: tuple[int, int]) -> dict[str, Any]:
    if source is None or not source.uri:
        return {}
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": span[0],
            "end_index": span[1],
            "title": source.title or "",
            "url": source.uri,
        },
    }


def _span(
    part: int | None, start: int | None, end: int | None, texts: list[str]
) -> tuple[int, int]:
    """Bytes within a part as characters of the whole text."""
    index = part or 0
    if not 0 <= index < len(texts):
        return 0, 0
    before = sum(len(text) for text in texts[:index])
    data = texts[index].encode()
    return before + _characters(data, start or 0), before + _characters(data, end or len(data))


def _characters(data: bytes, end: int) -> int:
    return len(data[: max(end, 0)].decode("utf-8", "ignore"))
