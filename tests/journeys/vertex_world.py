"""A Batchway with the keys of two tenants in front of Google's fake, for several modules' fixtures.

Each module makes one `opened` world for all of its tests.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import openai
from tests.journeys.conftest import running_servers
from tests.journeys.lines import jsonl
from tests.journeys.processes import Server
from tests.journeys.vertex import BUCKET, made_with_googles_client, vertex

from batchway.simulator.google import GoogleFake, running

KEYS: Final = [
    {"name": "a", "tenant": "a", "key": "sk-team-a-0123456789", "passthrough": True},
    {"name": "b", "tenant": "b", "key": "sk-team-b-0123456789", "passthrough": True},
]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Google, and one Batchway in front of it: `google` runs jobs, `google-auto` has no bucket."""

    fake: GoogleFake
    server: Server

    def client(self, team: str = "a", provider: str = "google") -> openai.OpenAI:
        """TrueFoundry's client setup, with another base URL."""
        return openai.OpenAI(
            api_key=f"sk-team-{team}-0123456789",
            base_url=self.server.origin,
            default_headers={"x-tfy-provider-name": provider},
            max_retries=0,
        )

    def get(self, path: str, headers: dict[str, str]) -> dict[str, Any]:
        """A plain call, as curl makes it."""
        request = Request(
            self.server.origin + path,
            headers={"authorization": "Bearer sk-team-a-0123456789", **headers},
        )
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def theirs(self, name: str, lines: int = 3) -> tuple[str, str]:
        """A job that was made with Google's own client, and where its input is."""
        given = f"gs://{BUCKET}/{name}/input.jsonl"
        rows = [
            {"request": {"contents": [{"role": "user", "parts": [{"text": f"Say {name} {n}"}]}]}}
            for n in range(lines)
        ]
        self.fake.put(given, jsonl(rows))
        return made_with_googles_client(self.fake, given, f"gs://{BUCKET}/{name}/out"), given

    @contextmanager
    def as_it_was(self) -> Generator[None]:
        """Turn the dials back afterwards, and see that nothing of ours is left."""
        dials = self.fake.control()
        yield
        self.fake.control(**dials)
        for uri in self.fake.objects():
            assert uri.split("/")[3] != "batchway", "something of ours is left"


@contextmanager
def opened(folder: Path) -> Generator[World]:
    """A world until the end of the block."""
    with running() as fake, running_servers(folder) as servers:
        server = servers(
            vertex(fake, folder, "google", mode="native", bucket=BUCKET),
            vertex(fake, folder, "google-auto", mode="auto"),
            auth={"keys": KEYS},
        )
        yield World(fake=fake, server=server)
