"""The toy took no change outside its own folder: the product does not know it, and it knows seams.

What it needs of the product is in `ports`, `domain` and the HTTP wing; its fake server needs the
simulator's dials and answers.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import batchway

TOY = Path(__file__).parent
PROVIDER = {
    "account": {"domain", "ports", "providers.http"},
    "dialect": {"domain", "ports"},
    "framing": {"domain", "ports"},
    "jobs": {"domain", "ports", "providers.http"},
}
SERVER = {name: {"simulator"} for name in ("server", "bakery", "fake")}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module or ""


def test_the_product_does_not_mention_the_toy() -> None:
    sources = list(Path(batchway.__file__).parent.rglob("*.py"))
    assert len(sources) > 200
    told = [path for path in sources if re.search(r"\btoys?\b", path.read_text(), re.IGNORECASE)]
    assert told == []


def test_the_toy_is_made_of_the_seams_alone() -> None:
    modules = {path.stem for path in TOY.glob("*.py") if not path.stem.startswith("test_")}
    assert modules == {*PROVIDER, *SERVER, "conftest"}
    for name, allowed in (PROVIDER | SERVER).items():
        for imported in _imports(TOY / f"{name}.py"):
            if imported.split(".")[0] == "batchway":
                below = imported.removeprefix("batchway.")
                assert any(below == seam or below.startswith(f"{seam}.") for seam in allowed), (
                    f"{name} imports {imported}"
                )
            if imported.startswith("tests."):
                assert imported.startswith("tests.toy."), f"{name} imports {imported}"
