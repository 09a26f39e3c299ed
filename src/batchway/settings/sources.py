"""Where settings come from: the file, the environment, flags, well-known variables.

Owns reading each of them into one nested mapping and remembering where every value came from, so
that a problem can name its line or its variable. Does not own what is allowed (`schema`).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import yaml

from batchway.catalog.openai_family import CATALOG
from batchway.settings.problems import SettingsError, stop, suggestion
from batchway.settings.tree import ENV_PREFIX, Key, dotted, is_structured
from batchway.settings.tree import Path as KeyPath
from batchway.settings.tree import keys as every_key

# Variables of the command line that are no settings.
RESERVED: Final = frozenset({"BATCHWAY_CONFIG", "BATCHWAY_URL", "BATCHWAY_API_KEY"})

# What Kubernetes adds to every pod beside a Service called `batchway` or `batchway-...`.
_KUBERNETES: Final = re.compile(
    r"BATCHWAY_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)"
)
_VARIABLE: Final = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<bad>\$\{)"
)


class _Loader(yaml.SafeLoader):
    """YAML's safe subset, with dates left as text: `api_version: 2024-10-21` is not a date."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(slots=True)
class Gathered:
    """Values merged so far, with the place each came from and which must not be shown."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    origins: dict[KeyPath, str] = field(default_factory=dict[KeyPath, str])
    hidden: set[KeyPath] = field(default_factory=set[KeyPath])

    def merge(self, path: KeyPath, value: object, origin: Callable[[KeyPath], str | None]) -> None:
        """Lay a value over what is there: mappings join, anything else replaces.

        A null says nothing: `server:` with every line below it commented out is not a mistake.
        """
        if value is None:
            return
        target = self.values
        for part in path[:-1]:
            if not isinstance(target.get(cast(str, part)), dict):
                target[cast(str, part)] = {}
            target = target[cast(str, part)]
        if isinstance(value, dict):
            mapping = cast("dict[str, object]", value)
            if path and not isinstance(target.get(cast(str, path[-1])), dict):
                target[cast(str, path[-1])] = {}
            self._remember(path, origin, deep=False)
            for name, item in mapping.items():
                self.merge((*path, name), item, origin)
            return
        target[cast(str, path[-1])] = _without_nulls(value)
        self._remember(path, origin, deep=True)

    def _remember(
        self, path: KeyPath, origin: Callable[[KeyPath], str | None], *, deep: bool
    ) -> None:
        if deep:
            for known in [k for k in self.origins if k[: len(path)] == path]:
                del self.origins[known]
            self.hidden = {k for k in self.hidden if k[: len(path)] != path}
        text = origin(path)
        if text is not None:
            self.origins[path] = text

    def origin(self, path: KeyPath) -> str | None:
        """Where the value at a path, or the closest one around it, came from."""
        for length in range(len(path), 0, -1):
            text = self.origins.get(path[:length])
            if text is not None:
                return text
        return None


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {name: _without_nulls(item) for name, item in items if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in cast("list[object]", value)]
    return value


# ----------------------------------------------------------------------------- the file


def read_file(gathered: Gathered, path: Path, name: str, environ: Mapping[str, str]) -> None:
    """Merge a YAML file. `name` is how messages call it. Raises `SettingsError`."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError([f"There is no configuration file at {name}."]) from error
    except OSError as error:
        raise SettingsError(
            [f"The configuration file {name} cannot be read: {error.strerror}."]
        ) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError([f"{name}, line {line}: not valid UTF-8."]) from error
    data, lines = _parse(text, name)
    problems = list(_not_text_keys(data, (), name, lines))
    expanded, hidden = _expand(data, environ, name, lines, problems)
    if problems:
        raise SettingsError(problems)

    def origin(key: KeyPath) -> str | None:
        return f"{name}, line {lines[key]}" if key in lines else None

    gathered.merge((), expanded, origin)
    # Places inside lists come after the merge, which replaces a list as a whole.
    for key in lines:
        if any(isinstance(part, int) for part in key):
            gathered.origins[key] = f"{name}, line {lines[key]}"
    gathered.hidden |= hidden


def _parse(text: str, name: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    lines: dict[KeyPath, int] = {}
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return {}, lines
            repeated = list(_walk(node, (), lines, set()))
            data: Any = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
        reason = (error.problem or error.context or "it cannot be read").rstrip(".")
        # Without its cause, whose text quotes the lines around: one may hold a secret.
        raise SettingsError([f"{name}{where}: not valid YAML: {reason}."]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else "it cannot be read"
        raise SettingsError([f"{name}: not valid YAML: {reason}."]) from error
    if repeated:
        raise SettingsError(
            f"{name}, line {line}: '{dotted(path)}' appears twice." for path, line in repeated
        )
    if not isinstance(data, dict):
        raise SettingsError([f"{name}: must hold settings as 'name: value' lines."])
    return cast("dict[str, Any]", data), lines


def _walk(
    node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], around: set[int]
) -> Iterator[tuple[KeyPath, int]]:
    """Note the line of every key; yield those that YAML would let silently replace an earlier."""
    if id(node) in around:
        raise ValueError("an alias that contains itself")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                continue
            below = (*path, key.value)
            lines[below] = key.start_mark.line + 1
            if key.value in seen:
                yield below, key.start_mark.line + 1
            seen.add(key.value)
            yield from _walk(value, below, lines, around | {id(node)})
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            yield from _walk(item, (*path, index), lines, around | {id(node)})


def _not_text_keys(
    value: object, path: KeyPath, name: str, lines: Mapping[KeyPath, int]
) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            if isinstance(key, str):
                yield from _not_text_keys(item, (*path, key), name, lines)
            else:
                where = dotted(path) or "The top level"
                yield f"{where}: the key {key!r} must be text; put it in quotes ({name})."
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from _not_text_keys(item, (*path, index), name, lines)


def _expand(
    data: dict[str, Any],
    environ: Mapping[str, str],
    name: str,
    lines: Mapping[KeyPath, int],
    problems: list[str],
) -> tuple[dict[str, Any], set[KeyPath]]:
    """Replace `${NAME}` and `${NAME:-default}` in every string; `$${` stands for `${`."""
    hidden: set[KeyPath] = set()

    def text_at(text: str, path: KeyPath) -> str:
        where = f"({name}, line {lines[path]})" if path in lines else f"({name})"

        def replace(match: re.Match[str]) -> str:
            if match["bad"]:
                problems.append(
                    f"{dotted(path)}: '${{' must begin ${{NAME}} or ${{NAME:-default}}; "
                    f"write '$${{' for the characters themselves {where}."
                )
                return ""
            variable = match["name"]
            if variable is None:
                return "${"
            hidden.add(path)
            value = environ.get(variable)
            if match["default"] is not None:
                return value or match["default"]
            if value is None:
                problems.append(
                    f"{dotted(path)}: the environment variable {variable} is not set {where}."
                )
                return ""
            return value

        return _VARIABLE.sub(replace, text)

    def at(value: object, path: KeyPath) -> object:
        if isinstance(value, str):
            return text_at(value, path)
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {key: at(item, (*path, key)) for key, item in items}
        if isinstance(value, list):
            listed = cast("list[object]", value)
            return [at(item, (*path, index)) for index, item in enumerate(listed)]
        return value

    return cast("dict[str, Any]", at(data, ())), hidden


# ----------------------------------------------------------------------------- the environment


def read_environment(gathered: Gathered, environ: Mapping[str, str]) -> None:
    """Merge `BATCHWAY_...` variables, shallow ones first. Raises `SettingsError`."""
    known = {key.env: key for key in every_key() if key.env is not None}
    problems: list[str] = []
    for variable in sorted(environ, key=lambda name: (name.count("__"), name)):
        text = environ[variable]
        if not variable.startswith(ENV_PREFIX) or variable in RESERVED or _foreign(variable, text):
            continue
        key = known.get(variable)
        if key is None:
            inner = "__" + variable.removeprefix(ENV_PREFIX)
            same = [name for name in known if name.endswith(inner)]
            hint = f"; did you mean '{same[0]}'?" if same else suggestion(variable, list(known))
            sentence = f"{variable}: no setting has this environment variable{hint}"
            problems.append(sentence + stop(sentence))
            continue
        if text == "":
            continue  # `FOO= command` is the shell's way of saying "not set"
        try:
            value = _parse_variable(key, text)
        except ValueError:
            problems.append(f"{variable}: must be JSON or YAML, such as '[...]' or '{{...}}'.")
            continue
        path = tuple(key.path.split("."))
        gathered.merge(path, value, lambda _, variable=variable: variable)
    if problems:
        raise SettingsError(problems)


def _foreign(variable: str, text: str) -> bool:
    if _KUBERNETES.fullmatch(variable):
        return True
    return variable.endswith("_PORT") and text.startswith(("tcp://", "udp://", "sctp://"))


def _parse_variable(key: Key, text: str) -> object:
    if not is_structured(key.field.annotation):
        return text
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        value: object = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("neither JSON nor YAML") from error
    if list(_not_text_keys(value, (), "", {})):
        raise ValueError("keys must be text")
    return value


# ----------------------------------------------------------------------------- flags and discovery


def read_flags(gathered: Gathered, flags: Mapping[str, object]) -> None:
    """Merge flags: dotted keys such as `server.port`. `None` is a flag that was not given."""
    for path, value in flags.items():
        gathered.merge(tuple(path.split(".")), value, lambda _: "the command line")


def discover_providers(gathered: Gathered, environ: Mapping[str, str]) -> None:
    """When no provider is configured, take those of the vendors' own environment variables."""
    if "providers" in gathered.values:
        return
    found: list[dict[str, str]] = []
    origins: dict[KeyPath, str] = {}
    for required, optional, provider in _WELL_KNOWN:
        if not all(
            environ.get(variable, "").lower() in _YES if key == _SWITCH else environ.get(variable)
            for variable, key in required.items()
        ):
            continue
        values = dict(provider)
        for variable, key in {**required, **optional}.items():
            if key != _SWITCH and environ.get(variable):
                values[key] = environ[variable]
                origins["providers", len(found), key] = variable
        found.append(values)
    if found:
        gathered.values["providers"] = found
        gathered.origins.update(origins)


# A variable that holds no value but tells that the vendor is wanted at all.
_SWITCH: Final = ""
_YES: Final = frozenset({"1", "true"})
_WELL_KNOWN: Final[tuple[tuple[dict[str, str], dict[str, str], dict[str, str]], ...]] = (
    (
        {"OPENAI_API_KEY": "api_key"},
        {
            "OPENAI_BASE_URL": "base_url",
            "OPENAI_ORG_ID": "organization",
            "OPENAI_PROJECT_ID": "project",
        },
        {"name": "openai", "type": "openai"},
    ),
    (
        {"AZURE_OPENAI_API_KEY": "api_key", "AZURE_OPENAI_ENDPOINT": "endpoint"},
        {"OPENAI_API_VERSION": "api_version"},
        {"name": "azure-openai", "type": "azure-openai"},
    ),
    (
        # Many have a project of Google's for other things: its own SDK asks for this one as well.
        {"GOOGLE_CLOUD_PROJECT": "project", "GOOGLE_GENAI_USE_VERTEXAI": _SWITCH},
        {"GOOGLE_CLOUD_LOCATION": "region"},
        {"name": "google-vertex", "type": "google-vertex"},
    ),
    (
        {"AWS_BEARER_TOKEN_BEDROCK": "api_key", "AWS_REGION": "region"},
        {},
        {"name": "aws-bedrock", "type": "aws-bedrock"},
    ),
    *(
        ({entry.key_variable: "api_key"}, {}, {"name": entry.name, "type": entry.name})
        for entry in CATALOG.values()
    ),
)
