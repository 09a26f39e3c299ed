"""What settings of providers have in common: limits, the use of a batch API, what is told of them.

    ProviderBase    every provider
    NativeBase      one with a batch API of its own
    KnownBase       one whose batch API is a row of the catalog

What differs between types and is asked for elsewhere is a member here, with an answer for most: so
nobody asks which type a provider is. Does not own the types (`providers`).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator

from batchway.catalog.openai_family import CatalogEntry
from batchway.domain.defaults import MAX_ATTEMPTS, MAX_CONCURRENCY, TIMEOUT_SECONDS
from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import Choice
from batchway.settings.kinds import Float, Int, Name, Positive, Size
from batchway.settings.section import Section

# The setting, as a path below its provider, and what it must be.
Contradiction = tuple[tuple[str, ...], str]


class ProviderLimits(Section):
    """How hard a provider may be used; each of its models has these limits of its own."""

    concurrency: Literal["auto"] | int = Field(
        default="auto",
        description="Requests in flight at once: a number, or `auto` to find out how many bring "
        "the most.",
    )
    max_concurrency: Positive = Field(
        default=MAX_CONCURRENCY, description="The most that `auto` will try."
    )
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
        default=TIMEOUT_SECONDS,
        gt=0,
        le=86_400,
        description="Seconds that one request may take, answer included.",
    )
    max_attempts: Int = Field(
        default=MAX_ATTEMPTS,
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


class ProviderBase(Section):
    """What every provider has."""

    # The settings that a wrong address and refused credentials lead to.
    address_setting: ClassVar[str] = "base_url"
    # What else may be wrong where an address leads nowhere; empty for nothing.
    address_of: ClassVar[str] = ""
    credential_setting: ClassVar[str] = "api_key"
    # Whether what its account says of a refusal tells what to do about it.
    advises: ClassVar[bool] = False

    name: Name = Field(
        description="Name of the provider: in `provider/model`, in routes and in the header "
        "`x-tfy-provider-name`."
    )
    limits: ProviderLimits = Field(
        default=ProviderLimits(),
        description="Limits of each model of this provider, for lines that are sent one by one.",
    )

    @property
    def traits(self) -> NativeTraits | None:
        """What one job of its own batch API may hold; `None` where it has no such API.

        Where that differs from model to model, the most that any may.
        """
        return None

    def traits_of(
        self,
        model: str,  # noqa: ARG002 - of all alike, where no type says otherwise
        overrides: Overrides,  # noqa: ARG002 - as above
    ) -> NativeTraits | None:
        """What one job of that model may hold, in a batch with these settings of its own.

        `None` where the batch API does not run it.
        """
        return self.traits

    @property
    def known_models(self) -> tuple[str, ...]:
        """Names of models that the entry itself mentions."""
        return ()

    @property
    def model_patterns(self) -> tuple[str, ...]:
        """What names of its models are like (`gemini-*`), where that is known."""
        return ()

    def objection(self, model: str, endpoint: str) -> str | None:  # noqa: ARG002 - only providers know
        """Why lines of that model and endpoint cannot be run at all, where that is known."""
        return None

    def no_jobs(self, model: str, overrides: Overrides) -> str | None:  # noqa: ARG002 - as above
        """Why `traits_of` has none for that model, with what to do, where that is known."""
        return None

    def misnamed(self, model: str) -> str | None:  # noqa: ARG002 - as above
        """Why a name can lead to no model of it, where that is known: a sentence about the name."""
        return None

    def own_model(self, overrides: Overrides) -> str | None:
        """The model that a batch sets itself, by the headers that this provider reads."""
        return overrides.model

    @property
    def address(self) -> str | None:
        """Where requests go to, without what each of them adds; `None`: only its account knows."""
        return None

    @property
    def batch_api(self) -> "NativeSettings | None":
        """How its own batch API is used; `None` where it has none."""
        return None

    @property
    def own_metrics(self) -> str | None:
        """Where an engine that may stand behind it tells its load, unless a setting says where."""
        return None

    @property
    def key_variable(self) -> str | None:
        """The variable of the environment that its key may be given in."""
        return None

    def any_model(self, endpoint: str) -> str:  # noqa: ARG002 - the same, for most
        """A name that its account makes calls of, for what is asked of no model."""
        return "m"

    def behind_address(self, endpoint: str) -> str:
        """What follows its address in a request, as a person is told it."""
        return endpoint.removeprefix("/v1") + ", and mostly ends in /v1"

    def uncalled(self) -> Self:
        """The same settings without what only calls need: files of credentials that may be away."""
        return self

    def contradictions(self) -> Iterator[Contradiction]:
        """What does not agree within it."""
        yield from ()

    def placed(self, place: Callable[[Path], Path]) -> Self:  # noqa: ARG002 - it names no file
        """The same settings with every file where `place` says."""
        return self


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


class NativeBase(ProviderBase):
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
    def batch_api(self) -> NativeSettings | None:
        """As it is set; a class of one's own may have none."""
        return None if self.traits is None else self.native

    def contradictions(self) -> Iterator[Contradiction]:
        """Limits that the provider does not have, or a mode."""
        native, traits = self.native, self.traits
        if traits is None:
            if self.mode is Choice.NATIVE:
                yield ("mode",), "its class says no `traits`, so it has no batch API"
            return
        if native.poll_min > native.poll_max:
            most = f"must not be above poll_max, which is {native.poll_max:g}"
            yield ("native", "poll_min"), most
        for name, given, limit in (
            ("max_lines", native.max_lines, traits.max_lines),
            ("max_bytes", native.max_bytes, traits.max_bytes),
            ("enqueued_tokens", native.enqueued_tokens, traits.enqueued_tokens),
        ):
            if given is not None and limit is not None and given > limit:
                yield ("native", name), f"must not be above {limit}, which is the provider's limit"
        if native.max_lines is not None and native.max_lines < traits.min_lines:
            least = f"must not be below {traits.min_lines}, which is the provider's least"
            yield ("native", "max_lines"), least


class KnownBase(NativeBase):
    """What every provider has whose batch API is known beforehand."""

    @property
    def entry(self) -> CatalogEntry:
        """What is known of the provider's batch API."""
        raise NotImplementedError

    @property
    def traits(self) -> NativeTraits:
        """Those of the catalog."""
        return self.entry.traits

    @property
    def key_variable(self) -> str | None:
        """That of the catalog."""
        return self.entry.key_variable
