"""What progress looks like on terminals of 80, 100 and 140 columns, and without one."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from tests.journeys.processes import environment

from batchway.cli.console import columns_of, table
from batchway.cli.progress import Snapshot, Written, picture

LOOK = Snapshot(status="in_progress", total=10_000, completed=6_190, failed=10, tokens=1_234_567)
WAITS = (
    "The provider 'endpoint' has refused every request for exceeding its limits (429) since "
    "2026-11-28 01:00:00 UTC; it is tried again at least once a minute."
)
ONLINE = (
    "1,200 lines run online instead of in a job, at the online price: their job failed for want of "
    "a role."
)
PROGRAM = f"""
from batchway.cli.progress import Snapshot, shown
with shown("gsm8k_test.batch.jsonl") as display:
    display.update(Snapshot(status="in_progress", total=10_000, completed=6_190, failed=10,
                            tokens=1_234_567, waits={WAITS!r}, online=({ONLINE!r},)))
"""
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def on_terminal(program: str, cwd: Path, *, columns: int, **environ: str) -> bytes:
    """What a Python program writes to its standard error, a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=cwd,
        env=environment({"TERM": "xterm-256color", **environ}),
        stdin=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # how a closed terminal ends
            break
        if not piece:
            break
        seen += piece
    assert process.wait(30) == 0
    os.close(ours)
    return seen


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_a_bar_at_every_width(tmp_path: Path, columns: int) -> None:
    seen = on_terminal(PROGRAM, tmp_path, columns=columns, NO_COLOR="1")
    assert b"\x1b[3" not in seen  # colours; the cursor may move
    lines = CONTROL.sub(b"", seen).decode().splitlines()
    assert max(map(len, lines)) < columns
    bar = next(line for line in reversed(lines) if "6,200/10,000" in line)
    assert bar.startswith("gsm8k")
    assert bar.count("\u2501") + bar.count("\u2500") >= 10
    assert "10 failed" in bar
    # Why it waits stands below, whole, and pushes nothing out.
    text = " ".join(" ".join(lines[lines.index(bar) + 1 :]).split())
    assert text.startswith(f"Waits: {WAITS} {ONLINE}")


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (79, ("gsm8k_test\u2026tch.jsonl", 10, "6,200/10,000  62%  10 failed  316/s  12s left")),
        (
            99,
            (
                "gsm8k_test.batch.jsonl",
                10,
                "6,200/10,000  62%  10 failed  316/s  12s left  1,234,567 tokens",
            ),
        ),
        (50, ("gsm8k_….jsonl", 10, "6,200/10,000  10 failed")),
    ],
)
def test_what_goes_first_where_there_is_no_room(width: int, expected: tuple[str, int, str]) -> None:
    assert picture("gsm8k_test.batch.jsonl", LOOK, 316.0, width) == expected


@pytest.mark.parametrize("width", range(20, 160))
def test_a_line_fits_at_any_width(width: int) -> None:
    huge = Snapshot(status="cancelling", total=10**7, completed=10**6, failed=10**5, tokens=10**10)
    for look in (
        huge,
        LOOK,
        Snapshot(status="validating", total=0, completed=0, failed=0, tokens=0),
    ):
        before, bar, behind = picture("a" * 200, look, 12345.0, width)
        assert len(before) + bar + len(behind) + 4 <= max(width, 31)
        assert f"{look.done:,}/{look.total:,}" in behind or not look.total


def test_lines_grow_rare_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter([0.0, *map(float, range(10_000))])
    display = Written("in.jsonl", now=lambda: next(moments))
    for done in range(10_000):
        display.update(
            Snapshot(status="in_progress", total=10_000, completed=done, failed=0, tokens=0)
        )
    written = capsys.readouterr().err.splitlines()
    assert written[0] == "in.jsonl: in_progress: 0 of 10,000 lines"
    assert len(written) < 60
    assert "\x1b" not in "".join(written)


def test_lines_that_run_online_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    display = Written("in.jsonl", now=lambda: 0.0)
    look = Snapshot.from_json(
        {
            "status": "in_progress",
            "run_online": [{"lines": 1, "reason": "No jobs"}, {"lines": 1_200, "reason": "Few."}],
        }
    )
    display.update(look)
    display.update(look)
    assert capsys.readouterr().err.splitlines() == [
        "in.jsonl: 1 line runs online instead of in a job, at the online price: No jobs.",
        "in.jsonl: 1,200 lines run online instead of in a job, at the online price: Few.",
        "in.jsonl: in_progress",
    ]


def test_narrow_tables_drop_columns() -> None:
    head = ["ID", "STATUS", "NAME", "MODEL"]
    rows = [["batch_1", "completed", "night", "m" * 40]]
    assert table(head, rows, width=None).splitlines()[0].split() == head
    assert table(head, rows, width=30, spare=["MODEL", "NAME"]).splitlines() == [
        "ID       STATUS     NAME",
        "batch_1  completed  night",
    ]
    assert table(head, rows, width=10, spare=["MODEL", "NAME"]).splitlines()[0].split() == [
        "ID",
        "STATUS",
    ]
    # What was left out before a wider one comes back where there is room.
    assert table(head, rows, width=30, spare=["NAME", "MODEL"]).splitlines() == [
        "ID       STATUS     NAME",
        "batch_1  completed  night",
    ]
    assert columns_of(sys.stdout) is None or columns_of(sys.stdout)
