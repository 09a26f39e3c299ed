"""The commands of the guide to Bedrock, in their order, against the stand-in that it names.

The sample file is a short one of the same name. What makes a bucket and a role at AWS is not typed.
"""

import json
import re
from pathlib import Path
from typing import Final

import pytest
from tests.journeys.lines import EXAMPLES
from tests.journeys.reader import FOREGROUND, reader

pytestmark = pytest.mark.xdist_group("s3")

GUIDE: Final = (Path(__file__).parents[2] / "docs" / "guides" / "bedrock.md").read_text()
SAMPLE: Final = "gsm8k_test.batch.jsonl"
AWAY: Final = ("pip install", "aws ")  # commands of other programs
LINES: Final = 120


def _blocks(kind: str, text: str) -> list[str]:
    found = re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        typed
        for block in found
        if (typed := "".join(line for line in block.splitlines(True) if not line.startswith(AWAY)))
    ]


def test_the_commands_work_as_they_stand(tmp_path: Path) -> None:
    before, heading, rehearsing = GUIDE.partition("## Rehearsing")
    assert heading
    (stand_in,), (configuration,) = _blocks("sh", rehearsing), _blocks("yaml", rehearsing)
    (model,) = re.findall(r"^MODEL=.*\n", before, re.MULTILINE)
    typed = _blocks("sh", before)
    said: list[str] = []
    with reader(tmp_path, ports=("9100", "9101", "8080")) as person:
        sample = (EXAMPLES / SAMPLE).read_bytes().splitlines(keepends=True)
        (person.work / "examples").mkdir()
        (person.work / "examples" / SAMPLE).write_bytes(b"".join(sample[:LINES]))
        for port, free in person.ports.items():
            configuration = configuration.replace(f":{port}", f":{free}")
        (person.work / "batchway.yaml").write_text(configuration)
        person.type("sh", stand_in)
        for block in typed:
            # One terminal remembers its variables.
            first = "" if block.startswith((model, *FOREGROUND)) else model
            said.append(person.type("sh", first + block))
        results = (person.work / "out.jsonl").read_text().splitlines()
    checked_and_run, _, submitted, created = said
    assert f"{LINES} lines" in checked_and_run
    assert f"{LINES} of {LINES} lines completed" in checked_and_run
    assert len(results) == LINES
    assert {json.loads(line)["provider"] for line in results} == {"aws"}
    assert re.search(rf"batch_[0-9a-f]{{32}}  completed  {LINES}/{LINES}  0 .* aws ", submitted)
    made = json.loads(created)
    assert (made["object"], made["provider"]) == ("batch", "aws")
