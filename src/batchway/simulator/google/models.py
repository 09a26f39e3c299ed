"""Which language a publisher's model speaks."""

import re
from dataclasses import dataclass
from typing import Literal

Language = Literal["gemini", "embedding", "legacy", "claude", "openai"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of the garden: `publishers/<publisher>/models/<name>`, perhaps with an `@version`."""

    publisher: str
    name: str

    @property
    def path(self) -> str:
        """As requests name it."""
        return f"publishers/{self.publisher}/models/{self.name}"

    @property
    def language(self) -> Language:
        """What its lines and bodies are written in."""
        if self.publisher == "anthropic":
            return "claude"
        if self.publisher != "google":
            return "openai"
        if self.name.startswith("gemini-embedding"):
            return "embedding"
        if re.match("(text|textembedding|text-multilingual).*(embedding|gecko)", self.name):
            return "legacy"
        return "gemini"


def named(path: str) -> Model | None:
    """The model of `[projects/…/locations/…/]publishers/<publisher>/models/<name>`."""
    found = re.fullmatch(
        r"(?:projects/[^/]+/locations/[^/]+/)?publishers/([^/]+)/models/([^/]+)", path
    )
    return None if found is None else Model(publisher=found[1], name=found[2])
