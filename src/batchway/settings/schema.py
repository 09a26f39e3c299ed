"""Every setting: its name, type, default and meaning. The reference page is made from this file.

Owns shapes, ranges and what must agree with what. Does not read files or the environment
(`sources`), nor word the sentences that people see (`problems`); validators here only raise.

A setting is accepted only when it does something today: object stores will be added here together
with the code that runs them.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from batchway.domain.catalog import AZURE, CATALOG, OPENAI, CatalogEntry
from batchway.domain.keys import DEFAULT_TENANT
from batchway.domain.routing import Choice, Route, RouteTarget
from batchway.settings.kinds import (
    Database,
    Directory,
    Float,
    Headers,
    Int,
    Name,
    Positive,
    Secret,
    Size,
    Text,
    Url,
)

MIB: Final = 2**20

if TYPE_CHECKING:
    CatalogType = str
else:
    CatalogType = Literal[tuple(CATALOG)]  # a new row of the catalog is a new type, and no code


class Contradictions(ValueError):
    """Settings that are well formed each but do not fit together: (path, sentence) pairs."""

    def __init__(self, found: list[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("; ".join(sentence for _, sentence in found))
        self.found = found


# ----------------------------------------------------------------------------- sections


class Section(BaseModel):
    """A group of settings: unknown names are mistakes, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=False
    )


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


# ----------------------------------------------------------------------------- providers


class ProviderLimits(Section):
    """How hard a provider may be used; each of its models has these limits of its own."""

    concurrency: Literal["auto"] | int = Field(
        default="auto",
        description="Requests in flight at once: a number, or `auto` to find out how many bring "
        "the most.",
    )
    max_concurrency: Positive = Field(default=1024, description="The most that `auto` will try.")
    aim: Literal["throughput", "latency"] = Field(
        default="throughput",
        description="What `auto` is after. `throughput` keeps an engine as busy as it can be, and "
        "has others who use it wait in its queue; `latency` is for an engine that serves live "
        "traffic as well: it sends more at once only while twice as many requests bring at least "
        "half as much again.",
    )
    engine_metrics: Literal["auto", "off"] | str = Field(
        default="auto",
        description="Where `auto` reads how many requests run and wait in the engine, every few "
        "seconds: the address of its Prometheus metrics, `off`, or `auto` for `/metrics` beside "
        "the `base_url` of an `openai-compatible` provider (vLLM, SGLang). One that does not "
        "answer is left alone for ten minutes.",
    )
    requests_per_minute: Positive | None = Field(
        default=None, description="Requests a minute; unlimited when unset."
    )
    tokens_per_minute: Positive | None = Field(
        default=None, description="Input and output tokens a minute; unlimited when unset."
    )
    timeout: Float = Field(
        default=600.0,
        gt=0,
        le=86_400,
        description="Seconds that one request may take, answer included.",
    )
    max_attempts: Int = Field(
        default=5,
        ge=1,
        le=100,
        description="Attempts at one line before its error is its result. Being told to slow down "
        "(429) does not count as one.",
    )

    @field_validator("concurrency", mode="before")
    @classmethod
    def _auto_or_number(cls, value: object) -> object:
        text = str(value).strip() if isinstance(value, str | int) else ""
        if text == "auto":
            return text
        if isinstance(value, bool) or not text.isascii() or not text.isdigit() or int(text) < 1:
            raise ValueError("must be 'auto' or a whole number of at least 1")
        return int(text)


class _Provider(Section):
    """What every provider has."""

    name: Name = Field(
        description="Name of the provider: in `provider/model`, in routes and in the header "
        "`x-tfy-provider-name`."
    )
    limits: ProviderLimits = Field(
        default=ProviderLimits(),
        description="Limits of each model of this provider, for lines that are sent one by one.",
    )


class NativeSettings(Section):
    """How a provider's own batch API is used."""

    rescue: bool | None = Field(
        default=None,
        description="Whether lines that the batch API left without a result, or with an error "
        "that may pass (408, 429, 5xx), are sent one by one, at the provider's full price. When "
        "unset: yes in the mode `auto`, no in `native`.",
    )
    keep_files: bool = Field(
        default=False,
        description="Whether the files that a batch made at the provider stay there.",
    )
    poll_min: Float = Field(
        default=2.0, gt=0, le=3600, description="Seconds between looks at a young job."
    )
    poll_max: Float = Field(
        default=60.0, gt=0, le=3600, description="Seconds between looks at an old job."
    )
    settle: Float = Field(
        default=120.0,
        ge=0,
        le=3600,
        description="Seconds for which a submission of unknown outcome is looked for at the "
        "provider before it is repeated.",
    )
    lateness: Float = Field(
        default=600.0,
        ge=0,
        le=86_400,
        description="Seconds by which the provider may show late what there is (a job, the ids "
        "of its files, rows, counts): so long it is asked again before a line goes without.",
    )
    cancel_patience: Float = Field(
        default=900.0,
        ge=0,
        le=86_400,
        description="Seconds that a job gets to stop when its batch is cancelled or expires.",
    )
    max_lines: Positive | None = Field(
        default=None, description="Lines of one job; the provider's limit when unset."
    )
    max_bytes: Size | None = Field(
        default=None, description="Bytes of one job's file; the provider's limit when unset."
    )
    enqueued_tokens: Positive | None = Field(
        default=None,
        description="Estimated input tokens of one job; set it to less than what the account may "
        "enqueue. Unlimited when unset.",
    )


class _Native(_Provider):
    """What every provider with a batch API of its own has."""

    mode: Choice = Field(
        default=Choice.AUTO,
        description="How batches run: `native` on the provider's own batch API; `managed` sends "
        "every line as a request; `auto` is native where the provider has it for the endpoint, "
        "else managed.",
    )
    native: NativeSettings = Field(
        default=NativeSettings(), description="How the provider's own batch API is used."
    )

    @property
    def entry(self) -> CatalogEntry:
        """What is known of the provider's batch API."""
        raise NotImplementedError


class OpenAISettings(_Native):
    """An OpenAI account."""

    type: Literal["openai"] = Field(description="`openai`.")
    api_key: Secret = Field(description="API key of the account.")
    base_url: Url = Field(default="https://api.openai.com/v1", description="Address of the API.")
    organization: Text | None = Field(default=None, description="Sent as `OpenAI-Organization`.")
    project: Text | None = Field(default=None, description="Sent as `OpenAI-Project`.")

    @property
    def entry(self) -> CatalogEntry:
        """OpenAI's own."""
        return OPENAI


class AzureOpenAISettings(_Native):
    """An Azure OpenAI resource; the model of a line is the name of a deployment."""

    type: Literal["azure-openai"] = Field(description="`azure-openai`.")
    endpoint: Url = Field(
        description="Address of the resource, such as `https://x.openai.azure.com`."
    )
    api_key: Secret | None = Field(
        default=None, description="API key of the resource; this or `auth`."
    )
    auth: Literal["entra"] | None = Field(
        default=None,
        description="`entra` uses tokens of Microsoft Entra ID instead of a key: those of the "
        "application below, or of whatever `DefaultAzureCredential` finds.",
    )
    tenant_id: Text | None = Field(default=None, description="Entra ID tenant of the application.")
    client_id: Text | None = Field(
        default=None, description="The application, or alone a user-assigned managed identity."
    )
    client_secret: Secret | None = Field(default=None, description="The application's secret.")
    api_version: Text = Field(default="2024-10-21", description="Sent as `api-version`.")

    @property
    def entry(self) -> CatalogEntry:
        """Azure's own."""
        return AZURE


class CatalogSettings(_Native):
    """A hosted provider that speaks OpenAI's batch API."""

    type: CatalogType = Field(description="Which one.")
    api_key: Secret = Field(description="API key of the account.")
    base_url: Url | None = Field(
        default=None, description="Address of the API; the provider's own when unset."
    )

    @property
    def entry(self) -> CatalogEntry:
        """The row of the catalog."""
        return CATALOG[self.type]


class OpenAICompatibleSettings(_Provider):
    """Any endpoint that speaks OpenAI's API: vLLM, SGLang, Ollama, a hosted one."""

    type: Literal["openai-compatible"] = Field(description="`openai-compatible`.")
    mode: Literal[Choice.MANAGED] = Field(
        default=Choice.MANAGED,
        description="How batches run: `managed` sends every line as a request.",
    )
    base_url: Url = Field(
        description="Address of the API, up to and including `/v1` where it has one."
    )
    api_key: Secret | None = Field(
        default=None, description="Sent as `Authorization: Bearer` when set."
    )
    headers: Headers = Field(
        default_factory=dict[str, SecretStr], description="Further headers of every request."
    )


NativeProviderSettings = OpenAISettings | AzureOpenAISettings | CatalogSettings
ProviderSettings = Annotated[
    OpenAISettings | AzureOpenAISettings | OpenAICompatibleSettings | CatalogSettings,
    Field(discriminator="type"),
]


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
        managed_only = {p.name for p in self.providers if isinstance(p, OpenAICompatibleSettings)}
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
        for p, provider in enumerate(self.providers):
            for path, sentence in _provider_contradictions(provider):
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


def _provider_contradictions(
    provider: ProviderSettings,
) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(provider, AzureOpenAISettings):
        application = (provider.tenant_id, provider.client_secret)
        if provider.api_key is None and provider.auth is None:
            yield ("api_key",), "required, unless `auth: entra` is set"
        elif provider.api_key is not None and provider.auth is not None:
            yield ("auth",), "must not be set beside api_key"
        elif provider.auth is None and (provider.client_id or any(application)):
            yield ("auth",), "must be 'entra' when an application is named"
        elif any(application) and not (provider.client_id and all(application)):
            yield ("client_id",), "an application needs tenant_id, client_id and client_secret"
    if isinstance(provider, OpenAICompatibleSettings):
        return
    native, traits = provider.native, provider.entry.traits
    if native.poll_min > native.poll_max:
        yield ("native", "poll_min"), f"must not be above poll_max, which is {native.poll_max:g}"
    for name, given, limit in (
        ("max_lines", native.max_lines, traits.max_lines),
        ("max_bytes", native.max_bytes, traits.max_bytes),
        ("enqueued_tokens", native.enqueued_tokens, traits.enqueued_tokens),
    ):
        if given is not None and limit is not None and given > limit:
            yield ("native", name), f"must not be above {limit}, which is the provider's limit"


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
