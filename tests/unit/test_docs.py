"""The reference pages say what the code does, and leave nothing out."""

import ast
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from batchway.cli.app import app
from batchway.domain.batch_errors import BatchText, LineText
from batchway.domain.errors import ApiText
from batchway.providers.google import job_reading
from batchway.settings import Settings
from batchway.settings.tree import keys
from batchway.simulator.online import SimulatorSettings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """`docs/generate.py`, which is no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    sys.path.append(str(ROOT / "docs"))  # where a script finds what stands beside it
    spec.loader.exec_module(module)
    return module


def read(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def test_no_page_is_stale(generator: ModuleType) -> None:
    assert list(generator.stale(REFERENCE)) == []


def test_a_stale_page_is_told_with_its_lines(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "REFERENCE", tmp_path)
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    page = tmp_path / "errors.md"
    page.write_text(page.read_text().replace("# Errors", "# Mistakes"))
    (hint,) = generator.stale(tmp_path)
    assert hint.splitlines()[-2:] == ["-# Mistakes", "+# Errors"]
    assert generator.main(["--check"]) == 1


def test_every_setting_is_documented() -> None:
    page = read("settings.md")
    for key in keys():
        assert f"| `{key.path}` |" in page, key.path
        assert key.env is None or f"| `{key.env}` |" in page, key.env
        assert escaped(key.field.description or "missing") in page, key.path


def test_every_command_and_flag_is_documented() -> None:
    page = read("commands.md")

    def look(command: Any, name: str) -> None:
        assert f"## `{name}`" in page
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"
            assert escaped(parameter.help) in page, f"{name} {parameter.name}"
            for flag in [*parameter.opts, *parameter.secondary_opts]:
                if flag.startswith("-"):
                    assert flag in page, f"{name} {flag}"
        for below in (getattr(command, "commands", None) or {}).values():
            look(below, f"{name} {below.name}")

    look(typer.main.get_command(app), "batchway")


def test_every_dial_of_the_simulator_has_a_flag() -> None:
    root: Any = typer.main.get_command(app)
    flags = {parameter.name for parameter in root.commands["simulate"].params}
    assert flags == set(SimulatorSettings.model_fields)


def test_every_error_is_documented() -> None:
    page = read("errors.md")
    rows = [(t.name, t.value.code, t.value.message) for t in ApiText]
    rows += [(t.name, t.value[0], t.value[1]) for t in (*BatchText, *LineText)]
    for name, code, message in rows:
        assert escaped(message) in page, name
        assert code is None or f"`{code}`" in page, name


def test_every_code_of_an_account_is_documented() -> None:
    """Those in errors of jobs that are written where they are raised."""
    given = {code for code, _ in job_reading.MEANINGS.values()} | {job_reading.UNKNOWN[0]}
    for path in (ROOT / "src" / "batchway").rglob("*.py"):
        if "simulator" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                errors = node.func.id in {"RemoteError", "BatchError", "JobTrouble"}
                given |= {
                    str(each.value.value)
                    for each in node.keywords
                    if errors and each.arg == "code" and isinstance(each.value, ast.Constant)
                }
    assert {"no_bucket", "bucket_denied", "no_batch_api"} <= given
    page = read("errors.md")
    assert [code for code in sorted(given) if f"| `{code}` |" not in page] == []


def test_every_route_and_field_is_documented(generator: ModuleType) -> None:
    page = read("api.md")
    document: dict[str, Any] = importlib.import_module("pages.api_page").openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f"## `{method.upper()} {path}`" in page
            for parameter in operation.get("parameters", []):
                assert f"| `{parameter['name']}` |" in page, (path, parameter["name"])
    for name, schema in document["components"]["schemas"].items():
        assert f"### {name}\n" in page
        for field in schema.get("properties", {}):
            assert f"| `{field}` |" in page, (name, field)


PROSE = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
    REFERENCE / "beyond-openai.md",
]


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_prose_names_commands_that_exist(page: Path) -> None:
    root: Any = typer.main.get_command(app)
    for name in re.findall(r"`(?:\.venv/bin/)?batchway ([a-z]+)", page.read_text()):
        assert name in root.commands, name


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_systemd_waits_longer_than_the_server_drains() -> None:
    unit = (ROOT / "examples" / "deploy" / "batchway.service").read_text()
    found = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert found is not None
    # Draining, closing connections, and the last commit.
    assert int(found[1]) >= Settings().execution.drain_timeout + 30
