"""Every setting: its name, type, default and meaning. The reference page is made from it.

Owns shapes, ranges and what must agree with what. Does not read files or the environment
(`sources`), nor word the sentences that people see (`problems`); validators here only raise.

A setting is accepted only when it does something today: object stores will be added here together
with the code that runs them.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import (
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from batchway.domain.keys import DEFAULT_TENANT
from batchway.domain.routing import Choice, Route, RouteTarget
from batchway.settings.kinds import (
    Database,
    Directory,
    Float,
    Int,
    Name,
    Positive,
    Secret,
    Size,
    Text,
)
from batchway.settings.providers import (
    ProviderSettings,
)
from batchway.settings.section import Section

MIB: Final = 2**20


class Contradictions(ValueError):
    """Settings that are well formed each but do not fit together: (path, sentence) pairs."""

    def __init__(self, found: list[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("; ".join(sentence for _, sentence in found))
        self.found = found


# ----------------------------------------------------------------------------- the server


class ServerSettings(Section):
    """Where the HTTP server listens."""

    host: Text = Field(
        default="127.0.0.1",
        description="Address to listen on. Without any API key only a loopback address is allowed.",
    )
    port: Int = Field(
        default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    open_pages: bool | None = Field(
        default=None,
        description="Whether `/metrics`, `/docs` and `/openapi.json` are for everybody; `false` "
        "asks for an API key, as everything else does. When unset: yes on a loopback address, else "
        "no. `/healthz` and `/readyz` never need one.",
    )


class KeySettings(Section):
    """An API key that clients may use."""

    name: Name = Field(description="Name of the key, shown in logs instead of the key.")
    tenant: Name = Field(
        default=DEFAULT_TENANT,
        description="Who owns what this key creates; tenants see only their own.",
    )
    key: Secret = Field(
        description="The key itself, sent by clients as `Authorization: Bearer`; at least 16 "
        "characters, or the server does not start."
    )
    providers: frozenset[Name] | None = Field(
        default=None, description="Providers that this key may use; all when unset."
    )
    passthrough: bool | None = Field(
        default=None,
        description="Whether this key may look up and run, with `x-tfy-provider-name`, jobs and "
        "files that were not made here: everything at that account but what batches of other "
        "tenants made. When unset: where no key of another tenant may use the provider.",
    )


class AuthSettings(Section):
    """Who may call the server. Keys made with `batchway keys create` count as well."""

    keys: tuple[KeySettings, ...] = Field(default=(), description="API keys.")


# ----------------------------------------------------------------------------- routes


class TargetSettings(Section):
    """One place that can run a route's lines."""

    provider: Name = Field(description="Name of a provider.")
    model: Text = Field(description="Name of the model at that provider.")
    weight: Positive = Field(
        default=1, description="Share of the lines among targets without `fallback`."
    )
    fallback: bool = Field(
        default=False, description="Used only for lines that the others gave up on."
    )


class RouteSettings(Section):
    """A model name of your own, run by one or more targets."""

    model: Text = Field(description="The name that lines use.")
    targets: tuple[TargetSettings, ...] = Field(
        min_length=1, description="Where the lines go, in order of preference."
    )
    mode: Choice | None = Field(
        default=None, description="How its lines run, instead of the mode of their providers."
    )

    def route(self) -> Route:
        """The route as `domain.routing` takes it."""
        return Route(
            targets=tuple(
                RouteTarget(
                    provider=t.provider, model=t.model, weight=t.weight, fallback=t.fallback
                )
                for t in self.targets
            ),
            mode=self.mode,
        )


# ----------------------------------------------------------------------------- limits and tuning


class LimitSettings(Section):
    """What one input file may hold."""

    max_file_bytes: Size | None = Field(
        default=None,
        description="Bytes of a file, however it arrives: at once, in parts, or fetched from a "
        "provider. When unset: 2 GiB, and 8 GiB in parts.",
    )
    max_lines: Positive = Field(default=10_000_000, description="Lines of a batch.")
    max_line_bytes: Size = Field(
        default=32 * MIB, description="Bytes of one line; a photo in base64 takes a few MiB."
    )
    max_errors: Positive = Field(
        default=1000, description="Problems of an input file that a failed batch lists."
    )


class ExecutionSettings(Section):
    """How batches run."""

    commit_interval: Float = Field(
        default=1.0, gt=0, le=60, description="Seconds between commits of results."
    )
    drain_timeout: Float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="Seconds that requests in flight get to end when the server stops or a batch "
        "is cancelled.",
    )
    shard_lines_min: Positive = Field(
        default=1000, description="Lines of a shard in a small batch."
    )
    shard_lines_max: Positive = Field(
        default=10_000, description="Lines of a shard in a large batch."
    )
    shard_bytes: Size = Field(
        default=64 * MIB, description="Bytes of input after which a shard ends."
    )
    max_outstanding_bytes: Size = Field(
        default=64 * MIB, description="Bytes of requests and results held in memory at once."
    )
    max_running_batches: Positive = Field(
        default=1000,
        description="Batches that run at once; the others wait in the order of their deadlines, "
        "tenants in turn. Those that only wait for a provider take no place, up to nine times as "
        "many.",
    )
    sending_processes: Literal["auto"] | int = Field(
        default="auto",
        description="Processes that send requests, beside the one that does everything else: up "
        "to 16, or 0 to send from that one. `auto` is 1 where there are two processors or more, "
        "else 0; always 0 on Windows.",
    )

    @field_validator("sending_processes", mode="before")
    @classmethod
    def _auto_or_some(cls, value: object) -> object:
        text = str(value).strip() if isinstance(value, str | int) else ""
        if text == "auto":
            return text
        if isinstance(value, bool) or not text.isascii() or not text.isdigit() or int(text) > 16:
            raise ValueError("must be 'auto' or a whole number from 0 to 16")
        return int(text)


class LoggingSettings(Section):
    """What the server logs, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity that is logged."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="One line of text or of JSON."
    )


# ----------------------------------------------------------------------------- all of it


class Settings(Section):
    """The whole configuration."""

    data_dir: Path = Field(
        default=Path("batchway-data"),
        description="Directory of everything that Batchway keeps, relative to the working "
        "directory.",
    )
    database: Database | None = Field(
        default=None,
        description="`sqlite:///FILE` or `postgresql://...`; `batchway.db` in `data_dir` when "
        "unset.",
    )
    blobs: Directory | None = Field(
        default=None,
        description="Directory of files and results; `blobs` in `data_dir` when unset.",
    )
    server: ServerSettings = Field(default=ServerSettings(), description="The HTTP server.")
    auth: AuthSettings = Field(default=AuthSettings(), description="Who may call.")
    providers: tuple[ProviderSettings, ...] = Field(
        default=(),
        description="Who runs the lines. When unset, taken from OPENAI_API_KEY, "
        "AZURE_OPENAI_API_KEY and the like.",
    )
    routes: tuple[RouteSettings, ...] = Field(default=(), description="Model names of your own.")
    limits: LimitSettings = Field(
        default=LimitSettings(), description="What an input file may hold."
    )
    execution: ExecutionSettings = Field(
        default=ExecutionSettings(), description="How batches run."
    )
    logging: LoggingSettings = Field(default=LoggingSettings(), description="The log.")

    _source: str | None = PrivateAttr(default=None)

    @property
    def source(self) -> str | None:
        """The configuration file, if one was read."""
        return self._source

    def read_from(self, file: Path | None) -> Self:
        """The same settings, which remember where they were read."""
        self._source = None if file is None else str(file)
        return self

    @property
    def database_url(self) -> str:
        """The database to use. May hold a password: never log it."""
        if self.database is None:
            return f"sqlite:///{self.data_dir / 'batchway.db'}"
        return self.database.get_secret_value()

    @property
    def sqlite_file(self) -> Path | None:
        """The database's file when it is SQLite."""
        scheme, _, path = self.database_url.partition(":///")
        return Path(path) if scheme == "sqlite" else None

    @property
    def blob_dir(self) -> Path:
        """The directory of the blob store."""
        return self.data_dir / "blobs" if self.blobs is None else Path(self.blobs)

    @field_validator("data_dir")
    @classmethod
    def _a_path(cls, value: Path) -> Path:
        if "\0" in str(value):
            raise ValueError("must not hold a NUL character")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        found = list(self._contradictions())
        if found:
            raise Contradictions(found)
        return self

    def _route_contradictions(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Routes whose targets cannot all run the way that is asked for."""
        modes = {provider.name: provider.mode for provider in self.providers}
        managed_only = {provider.name for provider in self.providers if provider.traits is None}
        for r, route in enumerate(self.routes):
            main = [t.provider for t in route.targets if not t.fallback and t.provider in modes]
            without = [name for name in main if name in managed_only]
            wanted = {route.mode or modes[name] for name in main}
            if route.mode is Choice.NATIVE and without:
                yield (
                    ("routes", r, "mode"),
                    f"the provider '{without[0]}' has no batch API: use 'managed' or 'auto'",
                )
            elif Choice.NATIVE in wanted and Choice.MANAGED in wanted:
                yield (
                    ("routes", r, "targets"),
                    "some of the providers are to run natively and some managed: set the "
                    "route's own mode, or make one kind fallbacks",
                )

    def _misnamed_targets(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Targets of routes whose models their providers cannot have."""
        by_name = {provider.name: provider for provider in self.providers}
        for r, route in enumerate(self.routes):
            for t, target in enumerate(route.targets):
                provider = by_name.get(target.provider)
                why = None if provider is None else provider.misnamed(target.model)
                if why is not None:
                    yield (
                        ("routes", r, "targets", t, "model"),
                        f"cannot be run by the provider '{target.provider}': {why.rstrip('.')}",
                    )

    def _contradictions(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        providers = [provider.name for provider in self.providers]
        known = ", ".join(repr(name) for name in providers) or "none"
        for path, value in _repeated("providers", "name", providers):
            yield path, f"another provider is named '{value}' as well"
        for path, value in _repeated("routes", "model", [route.model for route in self.routes]):
            yield path, f"another route is for the model '{value}' as well"
        for path, value in _repeated("auth", "name", [key.name for key in self.auth.keys]):
            yield ("auth", "keys", *path[1:]), f"another key is named '{value}' as well"
        secrets = [key.key.get_secret_value() for key in self.auth.keys]
        for path, _ in _repeated("auth", "key", secrets):
            yield ("auth", "keys", *path[1:]), "another entry has the same key"
        for r, route in enumerate(self.routes):
            for t, target in enumerate(route.targets):
                if target.provider not in providers:
                    yield (
                        ("routes", r, "targets", t, "provider"),
                        f"no provider is named '{target.provider}'; configured: {known}",
                    )
        yield from self._misnamed_targets()
        for p, provider in enumerate(self.providers):
            for path, sentence in provider.contradictions():
                yield ("providers", p, *path), sentence
        yield from self._route_contradictions()
        for k, key in enumerate(self.auth.keys):
            for name in sorted((key.providers or frozenset()) - set(providers)):
                yield (
                    ("auth", "keys", k, "providers"),
                    f"no provider is named '{name}'; configured: {known}",
                )
        if self.execution.shard_lines_min > self.execution.shard_lines_max:
            yield (
                ("execution", "shard_lines_min"),
                f"must not be above shard_lines_max, which is {self.execution.shard_lines_max}",
            )


def _repeated(
    section: str, field: str, values: list[str]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    counts = Counter(values)
    for index, value in enumerate(values):
        if counts[value] > 1 and values.index(value) != index:
            yield (section, index, field), value


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
