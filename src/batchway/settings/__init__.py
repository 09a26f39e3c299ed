"""Typed configuration: built-in defaults < file < environment < flags.

Owns turning all four into one `Settings` value, or into one `SettingsError` with a sentence for
every mistake. Only `cli` and `bootstrap` read settings; everything else is handed plain values.

    schema    every setting, with its type, default and meaning
    provider  what providers have in common; providers, aws: each type of them
    section   the base of every group
    account_class   a class that a provider names
    kinds     kinds of values: names, secrets, addresses, sizes
    tree      the settings as data: paths, environment names
    sources   reading the file, the environment and flags
    problems  wording what is wrong
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr, ValidationError

from batchway.settings.aws import BedrockSettings
from batchway.settings.problems import SettingsError, explain
from batchway.settings.provider import NativeSettings, ProviderLimits
from batchway.settings.providers import (
    AzureOpenAISettings,
    CatalogSettings,
    GoogleVertexSettings,
    OpenAICompatibleSettings,
    OpenAISettings,
    ProviderSettings,
    PythonSettings,
)
from batchway.settings.schema import (
    AuthSettings,
    ExecutionSettings,
    KeySettings,
    LimitSettings,
    LoggingSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    TargetSettings,
    is_loopback,
)
from batchway.settings.sources import (
    Gathered,
    discover_providers,
    read_environment,
    read_file,
    read_flags,
)

__all__ = [
    "AuthSettings",
    "AzureOpenAISettings",
    "BedrockSettings",
    "CatalogSettings",
    "ExecutionSettings",
    "GoogleVertexSettings",
    "KeySettings",
    "LimitSettings",
    "LoggingSettings",
    "NativeSettings",
    "OpenAICompatibleSettings",
    "OpenAISettings",
    "ProviderLimits",
    "ProviderSettings",
    "PythonSettings",
    "RouteSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "TargetSettings",
    "is_loopback",
    "load",
]

DEFAULT_FILE = "batchway.yaml"


def load(
    config: Path | None, flags: Mapping[str, object], environ: Mapping[str, str], cwd: Path
) -> Settings:
    """The settings of this process.

    `config` is `--config`; without it BATCHWAY_CONFIG, then `batchway.yaml` in `cwd` if there is
    one. `flags` maps dotted keys such as `server.port` to values, `None` meaning not given.
    Relative paths come back absolute, taken from `cwd`. Reads the file, imports the classes that it
    names, and does nothing else.

    Raises:
        SettingsError: anything is wrong, with every mistake found at that stage.
    """
    gathered = Gathered()
    named = config or (Path(environ["BATCHWAY_CONFIG"]) if environ.get("BATCHWAY_CONFIG") else None)
    source = None
    if named is not None:
        source = cwd / named
        read_file(gathered, source, str(named), environ)
    elif (cwd / DEFAULT_FILE).is_file():
        source = cwd / DEFAULT_FILE
        read_file(gathered, source, DEFAULT_FILE, environ)
    read_environment(gathered, environ)
    read_flags(gathered, flags)
    discover_providers(gathered, environ)
    try:
        settings = Settings.model_validate(gathered.values)
    except ValidationError as error:
        # Without its cause: pydantic's own text shows the values, and some of them are secrets.
        raise SettingsError(explain(error, gathered.origin, gathered.hidden)) from None
    return _absolute(settings, environ, cwd).read_from(source)


def _absolute(settings: Settings, environ: Mapping[str, str], cwd: Path) -> Settings:
    def place(path: Path) -> Path:
        if path.parts[:1] == ("~",) and environ.get("HOME"):
            path = Path(environ["HOME"], *path.parts[1:])
        return cwd / path

    data_dir = place(settings.data_dir)
    update: dict[str, object] = {"data_dir": data_dir}
    if settings.blobs is not None:
        update["blobs"] = str(place(Path(settings.blobs)))
    if settings.database is not None and settings.sqlite_file is not None:
        update["database"] = SecretStr(f"sqlite:///{place(settings.sqlite_file)}")
    update["providers"] = tuple(provider.placed(place) for provider in settings.providers)
    return settings.model_copy(update=update)
