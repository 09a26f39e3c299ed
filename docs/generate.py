"""Writes the reference pages from the code, so that they cannot say anything else than it does.

    python docs/generate.py          write docs/reference/{settings,providers,commands,
                                     errors,api}.md
    python docs/generate.py --check  write nothing; exit 1 and show where a page is stale

The same code gives the same bytes: no dates, no order but that of the source.
"""

import difflib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args, get_origin

import typer
from pydantic import BaseModel, Secret, SecretStr
from pydantic_core import PydanticUndefined

from batchway.api.app import create_app
from batchway.catalog.openai_family import AZURE, CATALOG, OPENAI, CatalogEntry, LineShape
from batchway.cli.app import app as commands
from batchway.cli.failures import EXIT_CODES
from batchway.domain.batch_errors import BatchText, LineText
from batchway.domain.errors import ApiText
from batchway.settings.kinds import Size
from batchway.settings.schema import Settings
from batchway.settings.tree import Key, bare, is_list, keys, models, tags

REFERENCE: Final = Path(__file__).parent / "reference"
_NOTICE: Final = "<!-- Made from the code by docs/generate.py; change it there. -->"
_HINT_LINES: Final = 20


# ----------------------------------------------------------------------------- markdown


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are kept on one line."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (" ".join(cell.split()).replace("|", "\\|") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def code(value: object) -> str:
    """Text as code, empty for nothing."""
    return "" if value in {None, ""} else f"`{value}`"


def page(title: str, *blocks: str) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", _NOTICE, *blocks]) + "\n"


# ----------------------------------------------------------------------------- settings


def settings_page() -> str:
    """Every setting."""
    blocks = [
        "Settings come from, each over the one before: built-in defaults; the file "
        "(`batchway.yaml` in the working directory, or the one that `--config` or "
        "`BATCHWAY_CONFIG` names); the environment; flags.",
        "Anything unknown or malformed is an error that names the place. A null means not set.",
        "**In the file** `${NAME}` stands for an environment variable and `${NAME:-default}` for "
        "one that may be unset or empty; `$${` stands for `${` itself. Sizes are written `64MiB`, "
        "`2GB` or as a number of bytes; durations are seconds. Relative paths start at the "
        "working directory.",
        "**In the environment** a setting is `BATCHWAY_` and its path in capitals with `__` "
        "between the parts. Lists and mappings are JSON or YAML: "
        '`BATCHWAY_PROVIDERS=\'[{"name": "vllm", "type": "openai-compatible", "base_url": '
        '"http://gpu:8000/v1"}]\'`.',
        "**With no provider configured** the vendors' own variables are used: `OPENAI_API_KEY` "
        "(with `OPENAI_BASE_URL`, `OPENAI_ORG_ID`, `OPENAI_PROJECT_ID`) makes a provider named "
        "`openai`; `AZURE_OPENAI_API_KEY` and `AZURE_OPENAI_ENDPOINT` (with "
        "`OPENAI_API_VERSION`) make one named `azure-openai`; "
        + ", ".join(code(entry.key_variable) for entry in CATALOG.values())
        + " make one of the type of that name each.",
    ]
    for (prefix, owner), found in groupby(
        keys_in_groups(), key=lambda key: (_prefix(key), key.owner)
    ):
        blocks.append(f"## {_heading(prefix, owner)}")
        blocks.append(inspect.cleandoc(owner.__doc__ or ""))
        blocks.append(
            table(
                ["Setting", "Type", "Default", "Environment", "Meaning"],
                [
                    [
                        code(key.path),
                        kind(key),
                        default(key),
                        code(key.env),
                        key.field.description or "",
                    ]
                    for key in found
                ],
            )
        )
    return page("Settings", *blocks)


def keys_in_groups() -> list[Key]:
    """Every setting, those of one section together."""
    groups: dict[tuple[str, type[BaseModel]], list[Key]] = {}
    for key in keys():
        group = groups.setdefault((_prefix(key), key.owner), [])
        # Every type of provider holds the same limits; once is enough.
        if all(known.path != key.path for known in group):
            group.append(key)
    return [key for group in groups.values() for key in group]


def _prefix(key: Key) -> str:
    return key.path.rpartition(".")[0]


def _heading(prefix: str, owner: type[BaseModel]) -> str:
    if owner is Settings:
        return "The top level"
    tag = owner.model_fields.get("type")
    if tag is None:
        return f"`{prefix}`"
    return f"`{prefix}` of type {' or '.join(code(name) for name in tags(owner))}"


def kind(key: Key) -> str:
    """The type of a setting in words."""
    if any(part in key.field.metadata for part in get_args(Size)[1:]):
        return "size"
    annotation = key.field.annotation
    if is_list(annotation):
        return "list" if models(annotation) else "list of text"
    return "section" if key.section else _kind(bare(annotation))


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        values = (v.value if isinstance(v, Enum) else v for v in get_args(annotation))
        return " or ".join(f"`{value}`" for value in values)
    if origin is Mapping:
        return "mapping"
    if origin is Secret:
        return "secret " + _kind(get_args(annotation)[0])
    if origin is type:
        return "class"
    if origin is not None:
        return " or ".join(_kind(bare(arg)) for arg in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    names = {str: "text", int: "number", float: "number", bool: "true or false"}
    names |= {SecretStr: "secret", Path: "path"}
    return names[annotation]


def default(key: Key) -> str:
    """The default of a setting as it would be written."""
    field = key.field
    value = field.default
    if field.is_required() or (value is PydanticUndefined and field.default_factory is None):
        return "required"
    if key.section or field.default_factory is not None or value is None or value == ():
        return ""
    if kind(key) == "size":
        return code(_size(value))
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, float):
        return code(f"{value:g}")
    return code(value.value if isinstance(value, Enum) else value)


def _size(value: int) -> str:
    for unit, amount in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value % amount == 0:
            return f"{value // amount}{unit}"
    return str(value)


# ----------------------------------------------------------------------------- providers

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
        "`native.enqueued_tokens` of a provider replace them. None of this was checked against "
        "the live services.",
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
    return page("Providers", *blocks)


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


# ----------------------------------------------------------------------------- commands


def commands_page() -> str:
    """Every command with its flags."""
    root = typer.main.get_command(commands)
    blocks = [
        "Results go to standard output, everything else to standard error; neither holds control "
        "codes unless it is a terminal, and `NO_COLOR` is honoured.",
        "Every command takes `-h`. Those that print data take `--json`: one JSON value on standard "
        "output, and nothing else there.",
        "## Exit codes",
        table(["Code", "Meaning"], [[str(number), text] for number, text in EXIT_CODES.items()]),
    ]
    for name, command in walk(root, "batchway"):
        blocks.append(f"## `{name}`")
        blocks.append(inspect.cleandoc(command.help or ""))
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option"]
        usage = " ".join([name, *(str(a.metavar) for a in arguments)])
        if options:
            usage += " [OPTIONS]"
        if getattr(command, "commands", None):
            usage += " COMMAND"
        blocks.append(f"```\n{usage}\n```")
        if arguments or options:
            rows = [
                [code(a.metavar), "required" if a.required else "", a.help or ""] for a in arguments
            ]
            rows += [[_flags(o), _option_default(o), o.help or ""] for o in options]
            blocks.append(table(["Argument or option", "Default", "Meaning"], rows))
    return page("Commands", *blocks)


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and everything below it."""
    yield name, command
    for below in (getattr(command, "commands", None) or {}).values():
        yield from walk(below, f"{name} {below.name}")


def _flags(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or 'VALUE'}"
    return code(", ".join([*option.opts, *option.secondary_opts]) + value)


def _option_default(option: Any) -> str:
    if option.required:
        return "required"
    variable = f" or {code(option.envvar)}" if option.envvar else ""
    value = option.default
    shown = "" if value is None or value is False or callable(value) else code(value)
    return (shown + variable).removeprefix(" or ")


# ----------------------------------------------------------------------------- errors


def errors_page() -> str:
    """Every text of the error tables."""
    api = table(
        ["Status", "`code`", "`type`", "`param`", "`message`", "Retried by SDKs"],
        [
            [
                str(text.value.status),
                code(text.value.code),
                code(text.value.type),
                code(text.value.param),
                text.value.message,
                "yes" if text.value.retry else "",
            ]
            for text in ApiText
        ],
    )
    batch = table(
        ["`code`", "`param`", "`message`"],
        [[code(t.value[0]), code(t.value[2]), t.value[1]] for t in BatchText],
    )
    line = table(["`code`", "`message`"], [[code(t.value[0]), t.value[1]] for t in LineText])
    return page(
        "Errors",
        "Words in braces are filled in. Where OpenAI's service is known to send a text, it is "
        "sent here word for word.",
        "## Answers of the HTTP API",
        'The body is `{"error": {"message", "type", "param", "code"}}`, all four always there. '
        "Errors that a retry cannot mend carry `x-should-retry: false`, which OpenAI's SDKs obey.",
        api,
        "## Why a batch failed validation",
        "Entries of `errors.data` of a batch with the status `failed`; `line` counts from 1. "
        "Nothing of such a batch was sent. `batchway check` finds the same without a server.",
        batch,
        "## Lines without an answer",
        "The `error` of a line in the error file that has no `response`. Lines that a provider "
        "answered with an error have its status and body in `response` instead.",
        line,
    )


# ----------------------------------------------------------------------------- the API


def openapi() -> dict[str, Any]:
    """The app's own OpenAPI document; nothing behind the routes is needed for it."""
    nothing = cast(Any, None)
    return create_app(
        files=nothing,
        batches=nothing,
        uploads=nothing,
        remote=nothing,
        models=nothing,
        auth=nothing,
        ids=nothing,
        clock=nothing,
        limits=nothing,
        health=nothing,
        metrics=nothing,
    ).openapi()


def api_page() -> str:
    """Every path and every object."""
    document = openapi()
    blocks = [
        str(document["info"]["description"]),
        "The OpenAPI document itself is served at `/openapi.json`, a page of it at `/docs`.",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            blocks += _operation(method, path, operation)
    blocks.append("## Objects")
    for name, schema in sorted(document["components"]["schemas"].items()):
        blocks += _object(name, schema)
    return page("HTTP API", *blocks)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## `{method.upper()} {path}`"
    text = f"{operation['summary']}."
    described = " ".join(str(operation.get("description", "")).split())
    yield f"{text} {described}".strip()
    parameters = [
        [
            code(p["name"]),
            str(p["in"]) + (", required" if p.get("required") else ""),
            _schema(p.get("schema", {})),
            str(p.get("description", "")),
        ]
        for p in operation.get("parameters", [])
    ]
    if parameters:
        yield table(["Parameter", "In", "Type", "Meaning"], parameters)
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: `{content_type}`, {_schema(content['schema'])}"
        if "properties" in content["schema"]:
            yield _fields(content["schema"])
    rows: list[list[str]] = []
    for status, answer in operation["responses"].items():
        kinds = [_schema(c.get("schema", {})) for c in answer.get("content", {}).values()]
        rows.append([status, ", ".join(kinds), str(answer["description"])])
    yield table(["Status", "Body", "When"], rows)


def _object(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    if schema.get("description"):
        yield " ".join(str(schema["description"]).split())
    if "enum" in schema:
        yield "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "."
    elif "properties" in schema:
        yield _fields(schema)


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    return table(
        ["Field", "Type", "Required", "Meaning"],
        [
            [
                code(name),
                _schema(field),
                "yes" if name in required else "",
                str(field.get("description", "")),
            ]
            for name, field in schema["properties"].items()
        ],
    )


def _schema(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(code(value) for value in schema["enum"])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(_schema(each) for each in schema[choice])
    if schema.get("type") == "array":
        return "list of " + _schema(schema.get("items", {}))
    kinds = schema.get("type", "any")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


# ----------------------------------------------------------------------------- writing


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "providers.md": providers_page,
    "commands.md": commands_page,
    "errors.md": errors_page,
    "api.md": api_page,
}


def stale(directory: Path) -> Iterator[str]:
    """What differs between the code and each page on disk, a hint for each."""
    for name, build in PAGES.items():
        path = directory / name
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        expected = build()
        if there != expected:
            difference = difflib.unified_diff(
                there.splitlines(), expected.splitlines(), str(path), "the code", lineterm="", n=0
            )
            yield "\n".join([line for line, _ in zip(difference, range(_HINT_LINES), strict=False)])


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` tell which are stale."""
    if "--check" in arguments:
        hints = list(stale(REFERENCE))
        for hint in hints:
            sys.stdout.write(hint + "\n")
        if hints:
            sys.stdout.write("The reference pages are stale: run `make docs`.\n")
        return 1 if hints else 0
    REFERENCE.mkdir(exist_ok=True)
    for name, build in PAGES.items():
        (REFERENCE / name).write_text(build(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
