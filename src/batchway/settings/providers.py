"""Settings of providers: who runs the lines, with which credentials and limits.

Owns their shapes, and what within one provider must agree. Does not own what they have in common
(`provider`), or what must agree between providers, routes and keys (`schema`).
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SecretStr,
)
from pydantic import (
    Secret as Hidden,
)

from batchway.catalog.google_models import (
    GOOGLE_MODELS,
    GOOGLE_MOST,
    GoogleDialect,
    family_of,
    is_foreign,
)
from batchway.catalog.google_names import read_name
from batchway.catalog.google_regions import api_of
from batchway.catalog.openai_family import AZURE, CATALOG, OPENAI, CatalogEntry
from batchway.domain.endpoint import Endpoint
from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import Choice
from batchway.settings.account_class import AccountClass
from batchway.settings.aws import BedrockSettings
from batchway.settings.kinds import (
    WILD,
    Bucket,
    File,
    Headers,
    ObjectFolder,
    ObjectPrefix,
    Project,
    Region,
    Secret,
    Text,
    Url,
)
from batchway.settings.provider import (
    Contradiction,
    KnownBase,
    NativeBase,
    ProviderBase,
)

if TYPE_CHECKING:
    CatalogType = str
else:
    CatalogType = Literal[tuple(CATALOG)]  # a new row of the catalog is a new type, and no code


class OpenAISettings(KnownBase):
    """An OpenAI account."""

    type: Literal["openai"] = Field(description="`openai`.")
    api_key: Secret = Field(description="API key of the account.")
    base_url: Url = Field(default="https://api.openai.com/v1", description="Address of the API.")
    organization: Text | None = Field(default=None, description="Sent as `OpenAI-Organization`.")
    project: Text | None = Field(default=None, description="Sent as `OpenAI-Project`.")

    @property
    def address(self) -> str:
        """As it is set."""
        return self.base_url

    @property
    def entry(self) -> CatalogEntry:
        """OpenAI's own."""
        return OPENAI


class AzureOpenAISettings(KnownBase):
    """An Azure OpenAI resource; the model of a line is the name of a deployment."""

    address_setting = "endpoint"

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
    def address(self) -> str:
        """That of the resource."""
        return self.endpoint

    @property
    def entry(self) -> CatalogEntry:
        """Azure's own."""
        return AZURE

    def behind_address(self, endpoint: str) -> str:  # noqa: ARG002 - the same for each
        """What all addresses of a resource begin with."""
        return "/openai"

    def contradictions(self) -> Iterator[Contradiction]:
        """Credentials that are too many, or not whole."""
        application = (self.tenant_id, self.client_secret)
        if self.api_key is None and self.auth is None:
            yield ("api_key",), "required, unless `auth: entra` is set"
        elif self.api_key is not None and self.auth is not None:
            yield ("auth",), "must not be set beside api_key"
        elif self.auth is None and (self.client_id or any(application)):
            yield ("auth",), "must be 'entra' when an application is named"
        elif any(application) and not (self.client_id and all(application)):
            yield ("client_id",), "an application needs tenant_id, client_id and client_secret"
        yield from super().contradictions()


class CatalogSettings(KnownBase):
    """A hosted provider that speaks OpenAI's batch API."""

    type: CatalogType = Field(description="Which one.")
    api_key: Secret = Field(description="API key of the account.")
    base_url: Url | None = Field(
        default=None, description="Address of the API; the provider's own when unset."
    )

    @property
    def address(self) -> str:
        """As it is set, or else the provider's own."""
        return self.base_url or self.entry.base_url

    @property
    def entry(self) -> CatalogEntry:
        """The row of the catalog."""
        return CATALOG[self.type]


class GoogleVertexSettings(NativeBase):
    """A project on Google Vertex AI; the model of a line is Gemini, Claude, or an open model there.

    Lines and answers are OpenAI's, whatever the model speaks: see the
    [guide](../guides/vertex.md). Its packages are an extra: `pip install 'batchway[google]'`.
    """

    credential_setting = "credentials_file"
    address_of = "region"  # part of each host's name
    advises = True

    type: Literal["google-vertex"] = Field(description="`google-vertex`.")
    project: Project = Field(description="Id of the project.")
    region: Region = Field(
        default="us-central1",
        description="Where models are called and jobs run: a region, a multi-region (`us`, `eu`), "
        "or `global`. A batch names another one with `x-tfy-vertex-region`.",
    )
    bucket: Bucket | None = Field(
        default=None,
        description="Cloud Storage bucket for the inputs and results of jobs, in the same region. "
        "A batch names another one with `x-tfy-vertex-storage-bucket-name`. Without any, `auto` "
        "sends lines one by one, and a job in the mode `native` fails.",
    )
    prefix: ObjectPrefix = Field(
        default="batchway", description="What the names of objects in the bucket begin with."
    )
    credentials_file: File | None = Field(
        default=None,
        description="A service account's key, or the configuration of a workload identity "
        "federation; when unset, application-default credentials: "
        "`GOOGLE_APPLICATION_CREDENTIALS`, gcloud's login, or the machine's own account.",
    )
    models: Mapping[Text, GoogleDialect] = Field(
        default_factory=dict[str, GoogleDialect],
        description="Dialects of models by name or pattern (`my-*`), where the "
        "[catalog](providers.md#google-vertex-ai) has none or another: `gemini`, "
        "`gemini-embedding`, `text-embedding`, `anthropic` or `openai`.",
    )
    readable: tuple[ObjectFolder, ...] = Field(
        default=(),
        description="Addresses such as `gs://bucket/prefix/`: below them, lines of any key may "
        "name files in Cloud Storage, which Vertex AI reads with the project's rights. Other "
        "`gs://` addresses are refused.",
    )
    base_url: Url | None = Field(
        default=None, description="Address of the API, before `/v1`; the region's own when unset."
    )
    storage_url: Url = Field(
        default="https://storage.googleapis.com", description="Address of Cloud Storage."
    )
    token_url: Url | None = Field(
        default=None,
        description="Address that access tokens are asked for at; the credentials' own when unset.",
    )

    @property
    def own_address(self) -> str | None:
        """That of the API where it is set, before `/v1`: it may be given with and without."""
        return None if self.base_url is None else self.base_url.removesuffix("/v1")

    @property
    def address(self) -> str:
        """As it is set, or else the region's."""
        return self.own_address or api_of(self.region)

    @property
    def traits(self) -> NativeTraits:
        """The most that a job of any model may hold."""
        return GOOGLE_MOST

    def traits_of(self, model: str, overrides: Overrides) -> NativeTraits | None:
        """What the catalog says of the model's family; none without a bucket, unless it must be."""
        if self.mode is not Choice.NATIVE and not (overrides.vertex_bucket or self.bucket):
            return None
        family = family_of(model, self.models)
        region = overrides.vertex_region or self.region
        return None if family is None else family.traits_at(region)

    @property
    def known_models(self) -> tuple[str, ...]:
        """Those that `models` or the catalog spell out."""
        return tuple(name for name in self._names if not WILD.intersection(name))

    @property
    def model_patterns(self) -> tuple[str, ...]:
        """The patterns of `models`, then those of the catalog."""
        return tuple(name for name in self._names if WILD.intersection(name))

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.models, *(row.pattern for row in GOOGLE_MODELS))))

    def objection(self, model: str, endpoint: str) -> str | None:
        """A model must be in the catalog or the configuration, with that endpoint.

        It is one of the project: what the credentials may do elsewhere is not for callers.
        """
        if is_foreign(model, self.project):
            return (
                f"The provider '{self.name}' runs models of its own project '{self.project}' only: "
                "a tuned one is named endpoints/ID there, or models/ID in jobs."
            )
        family = family_of(model, self.models)
        if family is None:
            return (
                f"It is none that the provider '{self.name}' knows on Vertex AI: check its name, "
                "or say what it speaks in the provider's `models`."
            )
        why = self.misnamed(model)
        if why is not None:
            return f"The provider '{self.name}' cannot run it: {why}"
        if endpoint in family.endpoints:
            return None
        known = " and ".join(sorted(family.endpoints))
        return f"The provider '{self.name}' runs it with {known} only."

    def no_jobs(self, model: str, overrides: Overrides) -> str | None:
        """A family without jobs, or without them at `global`; a bucket that is not named."""
        family = family_of(model, self.models)
        if family is None:
            return None
        if family.jobs is None:
            return "Vertex AI has no jobs for it."
        if (overrides.vertex_region or self.region) == "global" and not family.everywhere:
            return (
                "Its jobs do not run at 'global': set `region`, or send the header "
                "x-tfy-vertex-region, to a region where the model is offered."
            )
        if not (overrides.vertex_bucket or self.bucket):
            return (
                "It has no bucket for them: set `bucket`, or send the header "
                "x-tfy-vertex-storage-bucket-name."
            )
        return None

    def misnamed(self, model: str) -> str | None:
        """The name must lead to a model."""
        try:
            read_name(model, self.models)
        except ValueError as error:
            return str(error)
        return None

    def any_model(self, endpoint: str) -> str:
        """A name that a row of the catalog fits."""
        return "gemini-embedding-m" if endpoint == Endpoint.EMBEDDINGS else "gemini-m"

    def behind_address(self, endpoint: str) -> str:  # noqa: ARG002 - the same for each
        """What all addresses of the API begin with."""
        return "/v1"

    def uncalled(self) -> Self:
        """Without `credentials_file`."""
        return self.model_copy(update={"credentials_file": None})

    def placed(self, place: Callable[[Path], Path]) -> Self:
        """With `credentials_file` where `place` says."""
        file = self.credentials_file
        return self if file is None else self.model_copy(update={"credentials_file": place(file)})


class OpenAICompatibleSettings(ProviderBase):
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

    @property
    def address(self) -> str:
        """As it is set."""
        return self.base_url

    @property
    def own_metrics(self) -> str:
        """Beside the API, where vLLM and SGLang have it."""
        return self.base_url.rstrip("/").removesuffix("/v1") + "/metrics"


class PythonSettings(NativeBase):
    """A provider of your own: a Python class that can be imported where Batchway runs.

    Called as `Class(name=..., options=..., clock=...)` once for each event loop, it makes an
    `Account` (`batchway.ports`): where requests go, how they are signed, the dialect of their
    bodies, and its batch API, if it has one. See the [guide](../guides/own-provider.md).
    """

    address_setting = "options"
    credential_setting = "options"

    type: Literal["python"] = Field(description="`python`.")
    account_class: AccountClass = Field(
        alias="class",
        description="The class, as `package.module:Class`; found as any import of Python's is: "
        "installed beside Batchway, or below `PYTHONPATH`.",
    )
    options: Hidden[Mapping[str, Any]] = Field(
        default_factory=lambda: Hidden[Mapping[str, Any]]({}),
        description="What the class is given: names and values of its own. They may be secret, "
        "and are never shown.",
    )

    @property
    def traits(self) -> NativeTraits | None:
        """What the class says of its batch API."""
        return getattr(self.account_class, "traits", None)

    def traits_of(self, model: str, overrides: Overrides) -> NativeTraits | None:
        """What the class says of the model, where it tells models apart."""
        told: Callable[[str, Overrides], NativeTraits | None] | None
        told = getattr(self.account_class, "traits_of", None)
        return self.traits if told is None else told(model, overrides)

    def objection(self, model: str, endpoint: str) -> str | None:
        """What the class has against it."""
        told: Callable[[str, str], str | None] | None
        told = getattr(self.account_class, "objection", None)
        return None if told is None else told(model, endpoint)


ProviderSettings = Annotated[
    OpenAISettings
    | AzureOpenAISettings
    | GoogleVertexSettings
    | BedrockSettings
    | OpenAICompatibleSettings
    | PythonSettings
    | CatalogSettings,
    Field(discriminator="type"),
]
