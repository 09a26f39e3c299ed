"""Distributions of waiting time, and the text form in which a dial names them.

Owns parsing and sampling. Does not wait, and holds no randomness of its own.
"""

import math
import random
from dataclasses import dataclass
from typing import Final, assert_never

FORMS: Final = "`0.2`, `fixed:0.2`, `uniform:0.1,0.3`, `lognormal:median,sigma`, `exponential:mean`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Always the same number of seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform:
    """Evenly between two numbers of seconds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """Half of the draws below `median` seconds, with a tail that `sigma` lengthens."""

    median: float
    sigma: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Memoryless waiting with the given mean in seconds."""

    mean: float


Latency = Fixed | Uniform | LogNormal | Exponential


def parse_latency(text: str) -> Latency:
    """Read one of `FORMS`.

    Raises:
        ValueError: the text has another form, or a number is negative, infinite or out of order.
    """
    name, colon, rest = text.strip().partition(":")
    if not colon:
        name, rest = "fixed", name
    try:
        numbers = [float(part) for part in rest.split(",")]
    except ValueError:
        raise ValueError(f"latency {text!r} is not one of {FORMS}") from None
    if any(not math.isfinite(number) or number < 0 for number in numbers):
        raise ValueError(f"latency {text!r} holds a number that is negative or not finite")
    match name, numbers:
        case "fixed", [seconds]:
            return Fixed(seconds=seconds)
        case "uniform", [low, high]:
            if low > high:
                raise ValueError(f"latency {text!r} has its low end above its high end")
            return Uniform(low=low, high=high)
        case "lognormal", [median, sigma]:
            if median == 0:
                raise ValueError(f"latency {text!r} has a median of zero")
            return LogNormal(median=median, sigma=sigma)
        case "exponential", [mean]:
            return Exponential(mean=mean)
        case _:
            raise ValueError(f"latency {text!r} is not one of {FORMS}")


def sample(latency: Latency, dice: random.Random) -> float:
    """Draw one waiting time in seconds."""
    match latency:
        case Fixed():
            return latency.seconds
        case Uniform():
            return dice.uniform(latency.low, latency.high)
        case LogNormal():
            return dice.lognormvariate(math.log(latency.median), latency.sigma)
        case Exponential():
            return dice.expovariate(1 / latency.mean) if latency.mean else 0.0
        case _:
            assert_never(latency)
