"""The tree of settings as data: which keys exist, below which, and what each holds.

Owns reading the models' annotations, for environment names, for suggestions and for the reference
page. Does not own the settings themselves (`schema`).
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Secret, SecretStr
from pydantic.fields import FieldInfo

from batchway.settings.schema import Settings

ENV_PREFIX: Final = "BATCHWAY_"
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One setting.

    `path` has `[]` where a list is entered; `env` is `None` for what is inside a list, which the
    environment can only give as a whole; `section` tells that it holds further settings.
    """

    path: str
    field: FieldInfo
    owner: type[BaseModel]
    env: str | None
    section: bool


def bare(annotation: Any) -> Any:
    """The annotation without `Annotated` and `None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
            continue
        if origin in {Union, types.UnionType}:
            left = [arg for arg in get_args(annotation) if arg is not type(None)]
            if len(left) == 1:
                annotation = left[0]
                continue
        return annotation


def models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The models that a value of this annotation, or an item of it, may be."""
    kind = bare(annotation)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return (kind,)
    if get_origin(kind) in {Union, types.UnionType}:
        return tuple(model for arg in get_args(kind) for model in models(arg))
    if get_origin(kind) is tuple:
        return models(get_args(kind)[0])
    return ()


def is_list(annotation: Any) -> bool:
    """Whether values of this annotation are written as a list."""
    return get_origin(bare(annotation)) in {tuple, frozenset}


def is_structured(annotation: Any) -> bool:
    """Whether values of this annotation are lists or mappings, not plain words and numbers."""
    kind = bare(annotation)
    if get_origin(kind) is Secret:
        kind = get_args(kind)[0]
    return bool(models(kind)) or is_list(kind) or get_origin(kind) is Mapping


def is_secret(annotation: Any) -> bool:
    """Whether a value of this annotation must never be shown."""
    kind = bare(annotation)
    return (
        SecretStr is kind
        or get_origin(kind) is Secret
        or any(is_secret(arg) for arg in get_args(kind) if get_origin(kind) is not Literal)
    )


def fields_of(owner: type[BaseModel]) -> dict[str, FieldInfo]:
    """The settings of a model by their names in a file: `class` can be none of an attribute."""
    return {field.alias or name: field for name, field in owner.model_fields.items()}


def keys(
    owner: type[BaseModel] = Settings, prefix: str = "", env: str | None = ENV_PREFIX
) -> Iterator[Key]:
    """Every setting, sections before what they hold, in the order of the schema."""
    for name, field in fields_of(owner).items():
        path = f"{prefix}{name}"
        own_env = None if env is None else f"{env}{name.upper()}"
        below = models(field.annotation)
        yield Key(path=path, field=field, owner=owner, env=own_env, section=bool(below))
        listed = is_list(field.annotation)
        for model in below:
            yield from keys(
                model,
                f"{path}[]." if listed else f"{path}.",
                None if listed or own_env is None else f"{own_env}__",
            )


def find(path: Path) -> tuple[Path, FieldInfo | None, tuple[type[BaseModel], ...]]:
    """Follow a path that pydantic reports, which names a union's member by its tag.

    Returns the path as people write it, the last setting on it, and the models whose keys may
    follow.
    """
    shown: list[str | int] = []
    field: FieldInfo | None = None
    candidates: tuple[type[BaseModel], ...] = (Settings,)
    for part in path:
        if isinstance(part, int):
            shown.append(part)
            continue
        tagged = tuple(model for model in candidates if len(candidates) > 1 and part in tags(model))
        if tagged:
            candidates = tagged
            continue
        shown.append(part)
        fields = [known[part] for known in map(fields_of, candidates) if part in known]
        if fields:
            field = fields[0]
            candidates = models(field.annotation)
        else:
            candidates = ()
    return tuple(shown), field, candidates


def tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The values of `type` that ask for this model, none where it is no member of a union."""
    field = model.model_fields.get("type")
    return () if field is None else get_args(field.annotation)


def dotted(path: Path) -> str:
    """`providers[0].name` for ("providers", 0, "name")."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
