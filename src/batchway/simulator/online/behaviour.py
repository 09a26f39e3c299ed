"""What becomes of each request: the choice of its fate and of its time.

Owns chance and scripts. With a seed, every choice is a function of the seed, the prompt's digest
and how often that prompt was asked before, so a run repeats itself whatever order requests arrive
in; without one, all draws come from the injected dice. Does not carry anything out.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from batchway.simulator.online.answers import Answer
from batchway.simulator.online.fates import Answered, Fate, parse_fate
from batchway.simulator.online.latency import Fixed, parse_latency, sample
from batchway.simulator.online.settings import SimulatorSettings

# `[[500]]` always, `[[429*2]]` for the first two attempts.
_MARKER: Final = re.compile(r"\[\[([a-z]+|\d{3})(?:\*(\d{1,6}))?\]\]")
_ANSWERED: Final = Answered()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request's fate, the seconds of work before it, and whether a reset skips the work."""

    fate: Fate
    seconds: float
    early: bool = False


class Behaviour:
    """Chooses a `Plan` for each valid request under one set of dials.

    `attempts` counts by digest how often a prompt was asked; it is shared so that it outlives a
    change of dials, and touched only for prompts whose fate depends on it.
    """

    def __init__(
        self, settings: SimulatorSettings, *, dice: random.Random, attempts: Counter[str]
    ) -> None:
        self._dice = dice
        self._attempts = attempts
        self._seed = settings.seed
        self._latency = parse_latency(settings.latency)
        self._per_token = settings.latency_per_token
        self._markers = settings.markers
        self._scripts = [(text, parse_fate(name)) for text, name in settings.fail_prompts.items()]
        chances = settings.chances()
        self._ladder = list(
            zip(
                accumulate(rate for _, rate in chances),
                (fate for fate, _ in chances),
                strict=True,
            )
        )
        self._certain = not chances and isinstance(self._latency, Fixed)

    def plan(self, answer: Answer) -> Plan:
        """Choose for one attempt at one prompt; asking again is the next attempt."""
        scripts = list(self._scripts_of(answer))
        attempt = 1
        if scripts or (self._seed is not None and not self._certain):
            self._attempts[answer.digest] += 1
            attempt = self._attempts[answer.digest]
        dice = self._dice
        if self._seed is not None and not self._certain:
            dice = random.Random(f"{self._seed}:{answer.digest}:{attempt}")  # noqa: S311 - a dial
        seconds = sample(self._latency, dice) + self._per_token * answer.output_tokens
        early = not self._certain and dice.random() < 0.5
        for fate, times in scripts:
            if times is None or attempt <= times:
                return Plan(fate=fate, seconds=seconds, early=early)
        return Plan(fate=self._draw(dice), seconds=seconds, early=early)

    def _draw(self, dice: random.Random) -> Fate:
        if not self._ladder:
            return _ANSWERED
        drawn = dice.random()
        return next((fate for rung, fate in self._ladder if drawn < rung), _ANSWERED)

    def _scripts_of(self, answer: Answer) -> Iterator[tuple[Fate, int | None]]:
        for prompt in answer.prompts:
            for text, fate in self._scripts:
                if text in prompt.text:
                    yield fate, None
            # The plain search keeps the regular expression off nearly every prompt.
            if self._markers and "[[" in prompt.text:
                for name, times in _MARKER.findall(prompt.text):
                    try:
                        fate = parse_fate(name)
                    except ValueError:
                        continue  # the prompt merely looks like a marker, as wiki links do
                    yield fate, int(times) if times else None
