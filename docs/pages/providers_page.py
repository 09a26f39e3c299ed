"""The page of every provider with a batch API."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from batchway.catalog.bedrock_models import BEDROCK_MODELS
from batchway.catalog.families import Family
from batchway.catalog.google_models import GOOGLE_MODELS, GoogleModels
from batchway.catalog.openai_family import AZURE, CATALOG, OPENAI, CatalogEntry, LineShape
from pages.markdown import code, page, table

_GRADES: Final = {
    "recorded": "its documentation, and traffic that somebody recorded or quoted",
    "documented": "its documentation",
    "reported": "what others report of it",
}


def providers_page() -> str:
    """Every provider with a batch API, and what is known of it."""
    entries = [OPENAI, AZURE, *CATALOG.values()]
    blocks = [
        "Providers whose own batch API Batchway uses (`mode: native` or `auto`), at that API's "
        "price. Each is a `type` in the configuration. Any other endpoint that speaks OpenAI's "
        "API is of type `openai-compatible` and runs in the mode `managed`; one that speaks "
        "another is a class of your own, of type [`python`](../guides/own-provider.md).",
        "A batch larger than one job may be becomes several jobs and one result. Limits that no "
        "source names take OpenAI's or a smaller value; `native.max_lines`, `native.max_bytes` and "
        "`native.enqueued_tokens` of a provider make them smaller. None of this was checked "
        "against the live services.",
        table(
            ["`type`", "Provider", "Lines of a job", "Bytes of a job", "Windows", "Endpoints"],
            [
                [
                    code(entry.name),
                    f"[{entry.title}](#{_anchor(entry.title)})",
                    f"{entry.traits.max_lines:,}",
                    _megabytes(entry.traits.max_bytes),
                    ", ".join(_hours(window) for window in entry.traits.windows),
                    ", ".join(code(endpoint) for endpoint in sorted(entry.traits.endpoints)),
                ]
                for entry in entries
            ],
        ),
    ]
    for entry in entries:
        blocks += _provider(entry)
    blocks += _vertex()
    blocks += _bedrock()
    return page("Providers", *blocks)


def _vertex() -> Iterator[str]:
    yield "## Google Vertex AI"
    yield (
        "The type `google-vertex`: see the [guide](../guides/vertex.md). A model is called by its "
        "name, and the first row that fits says what it speaks; the setting `models` of a provider "
        "replaces that. Tuned models are called as `endpoints/ID` online and as `models/ID` in "
        "jobs."
    )
    yield table(
        ["Models", "Publisher", "Online", "In jobs", "Lines of a job", "Jobs at `global`"],
        [
            [
                code(row.pattern),
                code(row.publisher) if row.publisher else "as written",
                code(row.online) if row.online else "",
                code(row.jobs) if row.jobs else "no jobs",
                f"{row.max_lines:,}" if row.jobs else "",
                _yes(row),
            ]
            for row in GOOGLE_MODELS
        ],
    )
    yield from _families(GOOGLE_MODELS)


def _bedrock() -> Iterator[str]:
    yield "## AWS Bedrock"
    yield (
        "The type `aws-bedrock`: see the [guide](../guides/bedrock.md). A model is called by its "
        "id, by that of an inference profile (`us.`, `eu.`, `apac.`, `global.` and so on before "
        "it), or by an ARN of either, and the first row that fits the model's id says what it "
        "speaks; the setting `models` of a provider replaces that, and says it of ARNs that do "
        "not tell their model. Provisioned, imported and deployed models and prompt routers run "
        "online only, customized ones in jobs only."
    )
    yield table(
        ["Models", "Maker", "Online", "In jobs", "Lines of a job"],
        [
            [
                code(row.pattern),
                row.publisher or "any",
                code(row.online) if row.online else "",
                code(row.jobs) if row.jobs else "no jobs",
                f"{row.min_lines:,} to {row.max_lines:,}" if row.jobs else "",
            ]
            for row in BEDROCK_MODELS
        ],
    )
    yield from _families(BEDROCK_MODELS)


def _families(rows: Sequence[Family[Any]]) -> Iterator[str]:
    """What else rows say: their notes, and where their facts are from."""
    noted: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            noted.setdefault(note, []).append(code(row.pattern))
    yield "\n".join(f"* {', '.join(patterns)}: {note}" for note, patterns in noted.items())
    pages = {f"<{row.source}> ({_GRADES[row.grade]}, read on {row.read})": None for row in rows}
    yield "Sources: " + "; ".join(pages) + "."


def _yes(row: GoogleModels) -> str:
    if row.jobs is None:
        return ""
    return "yes" if row.everywhere else "no"


def _provider(entry: CatalogEntry) -> Iterator[str]:
    yield f"## {entry.title}"
    quirks = entry.quirks
    facts = [["Key", code(entry.key_variable)]]
    if entry.base_url:
        facts.insert(0, ["Address", code(entry.base_url)])
    if quirks.upload != quirks.files:
        facts.append(["Uploads go to", code(quirks.upload)])
    if quirks.purpose != "batch":
        facts.append(["Purpose of input files", code(quirks.purpose)])
    if quirks.line is LineShape.BARE:
        facts.append(["Lines hold", "`custom_id` and `body` only"])
    for ours, theirs in quirks.endpoints.items():
        facts.append([f"Jobs name {code(ours)}", code(theirs)])
    for ours, theirs in quirks.urls.items():
        facts.append([f"Lines name {code(ours)}", code(theirs)])
    for theirs, status in quirks.statuses.items():
        facts.append([f"Its status {code(theirs)}", f"means {code(status)}"])
    for name, value in quirks.extra.items():
        facts.append(["Sent with every job", code(f"{name}: {str(value).lower()}")])
    if not quirks.sends_window:
        facts.append(["Completion window", "not asked for"])
    jobs = "their metadata, or the name of their input file"
    facts.append(["Jobs are found by", jobs if quirks.keeps_metadata else jobs.split(", or ")[1]])
    facts.append(["Source", f"<{entry.source}>; {_GRADES[entry.grade]}"])
    yield table(["", ""], facts)
    if entry.notes:
        yield "\n".join(f"* {note}" for note in entry.notes)


def _anchor(title: str) -> str:
    kept = (c for c in title.lower() if c.isalnum() or c in {" ", "-"})
    return "".join(kept).replace(" ", "-")


def _megabytes(value: int) -> str:
    return f"{value // 2**20:,} MiB" if value % 2**20 == 0 else f"{value // 10**6:,} MB"


def _hours(seconds: int) -> str:
    return f"{seconds // 3600} h"
