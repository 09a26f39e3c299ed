"""The README's commands, in their order, in an empty directory: a stranger needs no guess."""

import json
import re
from pathlib import Path

from tests.journeys.reader import INSTALLING, reader

from batchway.settings import load

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|python|yaml)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_steps_work_word_by_word(tmp_path: Path) -> None:
    commands = [(kind, text) for kind, text in BLOCKS if kind != "yaml"]
    typed = 0
    with reader(tmp_path, ports=("9000", "8080")) as person:
        for kind, text in commands:
            if text.startswith(INSTALLING):
                assert all(line.startswith(INSTALLING) for line in text.splitlines())
                continue
            typed += 1
            output = person.type(kind, text)
            if kind == "python":
                assert "completed BatchRequestCounts(completed=3, failed=0, total=3)" in output
        names = {path.name for path in person.work.iterdir()}
    assert typed >= 6
    assert {"in.jsonl", "out.jsonl", "answers.jsonl"} <= names
    assert "failures.jsonl" not in names
    for name in ("out.jsonl", "answers.jsonl"):
        results = [json.loads(line) for line in (person.work / name).read_text().splitlines()]
        assert [result["custom_id"] for result in results] == ["sum", "sky", "haiku"]


def test_the_configuration_is_one(tmp_path: Path) -> None:
    text = "".join(text for kind, text in BLOCKS if kind == "yaml")
    path = tmp_path / "batchway.yaml"
    path.write_text(text)
    environ = {"OPENAI_API_KEY": "k", "AZURE_KEY": "k"}
    settings = load(path, {}, environ, tmp_path)
    assert [provider.name for provider in settings.providers] == [
        *("openai-main", "azure-eu", "google", "aws", "vllm")
    ]
    assert [route.model for route in settings.routes] == ["fast", "smart"]
