"""The page of every setting."""

import inspect
from collections.abc import Mapping
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, Secret, SecretStr
from pydantic_core import PydanticUndefined

from batchway.catalog.openai_family import CATALOG
from batchway.settings.kinds import Size
from batchway.settings.schema import Settings
from batchway.settings.tree import Key, bare, is_list, keys, models, tags
from pages.markdown import code, page, table


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
        "`OPENAI_API_VERSION`) make one named `azure-openai`; `GOOGLE_CLOUD_PROJECT` (with "
        "`GOOGLE_CLOUD_LOCATION`) makes one named `google-vertex` where "
        "`GOOGLE_GENAI_USE_VERTEXAI` is true; "
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
