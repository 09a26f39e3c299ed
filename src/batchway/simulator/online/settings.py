"""The simulator's dials: their names, meanings, defaults and limits.

Owns validation and the two ways dials arrive as text (flags, and a JSON patch while running).
Does not act on any of them: `behaviour`, `limits` and `slots` do.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from batchway.simulator.online.engine_model import ENGINES
from batchway.simulator.online.fates import FATES, Fate, parse_fate
from batchway.simulator.online.latency import FORMS, parse_latency

Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]

# Where the socket listens cannot change under the clients that are connected to it.
_FIXED: Final = frozenset({"host", "port"})


class InvalidSettings(ValueError):
    """Dials that cannot be set; the message names each and says why."""


class SimulatorSettings(BaseModel):
    """Every dial of the simulator. Rates are fractions of requests, times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(
        default=0, ge=0, le=65535, description="port to listen on; 0 takes any free one"
    )
    api_key: str | None = Field(
        default=None, description="require this key, as Bearer or api-key header"
    )
    models: tuple[str, ...] = Field(
        default=(),
        description="models that exist, comma separated; none named means every name does",
    )
    record: bool = Field(
        default=False, description="count paid answers by prompt digest in the stats"
    )
    seed: int | None = Field(
        default=None,
        description="make every chance a function of the seed, the prompt and the attempt number, "
        "whatever order requests arrive in",
    )

    latency: str = Field(default="fixed:0", description=f"time to work on a request: {FORMS}")
    latency_per_token: Seconds = Field(
        default=0.0, description="further time for each output token"
    )
    engine: str | None = Field(
        default=None,
        description="work as a model of an inference engine does, instead of by latency and "
        f"capacity: {', '.join(ENGINES)}",
    )
    capacity: Count | None = Field(
        default=None,
        description="requests worked on at once; further ones queue, as they do in vLLM",
    )

    requests_per_minute: Count | None = Field(default=None, description="answer 429 beyond this")
    tokens_per_minute: Count | None = Field(
        default=None, description="answer 429 beyond this many prompt and output tokens"
    )
    limit_window: float = Field(
        default=60.0,
        gt=0,
        le=60,
        description="seconds of allowance that can be spent at once; OpenAI enforces some "
        "per-minute limits by the second",
    )
    max_concurrency: Count | None = Field(
        default=None, description="answer 429 while this many requests are in flight"
    )
    retry_after: Seconds = Field(
        default=0.0,
        description="seconds named by Retry-After on 429s and 503s drawn by chance; 0 sends none",
    )

    error_rate: Rate = Field(default=0.0, description="chance of a 500 or a 503, evenly")
    status_rates: dict[int, Rate] = Field(
        default_factory=dict[int, float],
        description="chance of each status, such as 500=0.01,429=0.05",
    )
    reset_rate: Rate = Field(
        default=0.0, description="chance of a TCP reset, before or after the work"
    )
    truncate_rate: Rate = Field(default=0.0, description="chance of a body that ends halfway")
    slow_body_rate: Rate = Field(default=0.0, description="chance of a body that dribbles")
    slow_body_delay: Seconds = Field(
        default=0.05, description="pause between the pieces of such a body"
    )
    slow_body_piece: Count = Field(default=64, description="bytes in each piece of such a body")
    garbage_rate: Rate = Field(default=0.0, description="chance of a 200 whose body is not JSON")
    html_rate: Rate = Field(
        default=0.0, description="chance of a 502 with an HTML page, as proxies send"
    )
    hang_rate: Rate = Field(default=0.0, description="chance of no answer at all")
    fail_prompts: dict[str, str] = Field(
        default_factory=dict[str, str],
        description=f"fate of prompts holding a text, such as 'lose me=500'; fates: {FATES}",
    )
    markers: bool = Field(
        default=True,
        description="let prompts script themselves: [[500]], [[hang]], or [[429*2]] for the first "
        "two attempts only",
    )

    @field_validator("latency", mode="before")
    @classmethod
    def _known_latency(cls, value: object) -> object:
        text = str(value) if isinstance(value, int | float) else value
        if isinstance(text, str):
            parse_latency(text)
        return text

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, value: str | None) -> str | None:
        if value is not None and value not in ENGINES:
            raise ValueError(f"{value!r} is not one of {', '.join(ENGINES)}")
        return value

    @field_validator("models", mode="before")
    @classmethod
    def _listed_models(cls, value: object) -> object:
        return _names(value) if isinstance(value, str) else value

    @field_validator("status_rates", "fail_prompts", mode="before")
    @classmethod
    def _paired(cls, value: object) -> object:
        return _pairs(value) if isinstance(value, str) else value

    @field_validator("status_rates")
    @classmethod
    def _failing_statuses(cls, value: dict[int, float]) -> dict[int, float]:
        for status in value:
            parse_fate(str(status))
        return value

    @field_validator("fail_prompts")
    @classmethod
    def _known_fates(cls, value: dict[str, str]) -> dict[str, str]:
        for text, fate in value.items():
            if not text:
                raise ValueError("an empty text would match every prompt")
            parse_fate(fate)
        return value

    @model_validator(mode="after")
    def _at_most_certain(self) -> Self:
        total = sum(rate for _, rate in self.chances())
        if total > 1 + 1e-9:
            raise ValueError(f"the rates add up to {total:g}; no request can have two fates")
        return self

    def chances(self) -> list[tuple[Fate, float]]:
        """Every fate that strikes by chance, with how often, in a fixed order."""
        chances: list[tuple[Fate, float]] = [
            (parse_fate("500"), self.error_rate / 2),
            (parse_fate("503"), self.error_rate / 2),
            *((parse_fate(str(status)), rate) for status, rate in self.status_rates.items()),
            (parse_fate("reset"), self.reset_rate),
            (parse_fate("truncate"), self.truncate_rate),
            (parse_fate("slow"), self.slow_body_rate),
            (parse_fate("garbage"), self.garbage_rate),
            (parse_fate("html"), self.html_rate),
            (parse_fate("hang"), self.hang_rate),
        ]
        return [(fate, rate) for fate, rate in chances if rate > 0]

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Build settings from untrusted values.

        Raises:
            InvalidSettings: one line for each dial that is unknown or out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InvalidSettings(_explain(error)) from error

    def patched(self, patch: object) -> Self:
        """Return these settings with some dials changed, as `POST /_simulator/settings` does.

        Raises:
            InvalidSettings: the patch is not an object, or names a dial that is unknown, out of
                range or fixed while the simulator runs.
        """
        if not isinstance(patch, dict):
            raise InvalidSettings("settings: expected a JSON object of dials")
        changes = cast("dict[str, Any]", patch)
        fixed = sorted(_FIXED & changes.keys())
        if fixed:
            raise InvalidSettings(f"{fixed[0]}: cannot change while the simulator runs")
        return self.parse({**self.model_dump(), **changes})


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in _names(text):
        # The last equals sign, so that a prompt's text may hold some itself.
        name, equals, value = part.rpartition("=")
        if not equals:
            raise ValueError(f"{part!r} is not name=value")
        pairs[name.strip()] = value.strip()
    return pairs


def _explain(error: ValidationError) -> str:
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"]) or "settings"
        lines.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)
