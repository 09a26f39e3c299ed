"""Writes the reference pages from the code, so that they cannot say anything else than it does.

    python docs/generate.py          write docs/reference/{settings,providers,commands,
                                     errors,api,parameters}.md
    python docs/generate.py --check  write nothing; exit 1 and show where a page is stale

The same code gives the same bytes: no dates, no order but that of the source. Owns writing and
comparing; what is in a page is in `pages`.
"""

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pages.api_page import api_page
from pages.commands_page import commands_page
from pages.errors_page import errors_page
from pages.parameters_page import parameters_page
from pages.providers_page import providers_page
from pages.settings_page import settings_page

REFERENCE: Final = Path(__file__).parent / "reference"
_HINT_LINES: Final = 20

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "providers.md": providers_page,
    "commands.md": commands_page,
    "errors.md": errors_page,
    "parameters.md": parameters_page,
    "api.md": api_page,
}


def stale(directory: Path) -> Iterator[str]:
    """What differs between the code and each page on disk, a hint for each."""
    for name, build in PAGES.items():
        path = directory / name
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        expected = build()
        if there != expected:
            difference = difflib.unified_diff(
                there.splitlines(), expected.splitlines(), str(path), "the code", lineterm="", n=0
            )
            yield "\n".join([line for line, _ in zip(difference, range(_HINT_LINES), strict=False)])


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` tell which are stale."""
    if "--check" in arguments:
        hints = list(stale(REFERENCE))
        for hint in hints:
            sys.stdout.write(hint + "\n")
        if hints:
            sys.stdout.write("The reference pages are stale: run `make docs`.\n")
        return 1 if hints else 0
    REFERENCE.mkdir(exist_ok=True)
    for name, build in PAGES.items():
        (REFERENCE / name).write_text(build(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
