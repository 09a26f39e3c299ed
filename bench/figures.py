"""What a benchmark measured, and how it is written down.

Owns the row, the table (Markdown and JSON in `bench/results/`), the plot, the name of the machine,
percentiles and the memory of a process tree. Does not own any benchmark.
"""

import json
import math
import os
import platform
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import psutil

RESULTS: Final = Path(__file__).parent / "results"
MIB: Final = 1024 * 1024
_FEW_ROWS: Final = 4  # more of them hide what they explain, unless there is room above


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value: the cell of `series` (a row) and `at` (a column).

    `runs` are the values it was taken from, so a reader sees the noise.
    """

    series: str
    at: str
    value: float
    unit: str
    runs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where and when the figures were measured; no figure is published without it."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    date: str

    def __str__(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.system}, "
            f"Python {self.python}, {self.date}"
        )


def this_machine() -> Machine:
    """The machine this runs on, today (UTC)."""
    return Machine(
        cpu=_cpu_model(),
        # The cores we may use: in a container `cpu_count` names the host's.
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(psutil.virtual_memory().total / 1024**3, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        date=datetime.now(UTC).date().isoformat(),
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return platform.machine()  # ARM kernels do not name the model


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of `values` lie, interpolated between neighbours.

    Raises `ValueError` for no values or a percent outside 0..100.
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError("percentile needs values and a percent from 0 to 100")
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = math.ceil(position)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A benchmark's figures and how they were made. `name` names the files."""

    name: str
    title: str
    command: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    machine: Machine = field(default_factory=this_machine)

    def write(self, directory: Path = RESULTS) -> tuple[Path, Path]:
        """Write `<name>.md` and `<name>.json` and return their paths."""
        directory.mkdir(parents=True, exist_ok=True)
        markdown, data = directory / f"{self.name}.md", directory / f"{self.name}.json"
        markdown.write_text(self.markdown())
        data.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")
        return markdown, data

    def markdown(self) -> str:
        """The table: a row per series, a column per `at`, in order of first appearance."""
        columns = list(dict.fromkeys(figure.at for figure in self.figures))
        rows = list(dict.fromkeys(figure.series for figure in self.figures))
        cells = {(figure.series, figure.at): _cell(figure) for figure in self.figures}
        lines = [
            f"# {self.title}",
            "",
            f"`{self.command}` on {self.machine}",
            "",
            "| | " + " | ".join(columns) + " |",
            "| --- |" + " ---: |" * len(columns),
            *(
                f"| {row} | "
                + " | ".join(cells.get((row, column), "") for column in columns)
                + " |"
                for row in rows
            ),
        ]
        if self.notes:
            lines += ["", *(f"* {note}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def plot(
        self,
        directory: Path = RESULTS,
        *,
        kind: Literal["bars", "lines"] = "bars",
        across: str = "",
        logarithmic: bool = False,
    ) -> Path:
        """Draw `<name>.png` and return its path; `across` labels the columns' axis.

        `lines` places the columns at their numeric value (`"1,024"` is 1024) and raises
        `ValueError` when one has none.
        """
        # Imported here: it takes half a second, and drawing must not need a screen.
        import matplotlib as mpl  # noqa: PLC0415  # slow and only for plots

        mpl.use("Agg")
        from matplotlib import pyplot  # noqa: PLC0415  # must follow use()

        columns = list(dict.fromkeys(figure.at for figure in self.figures))
        rows = list(dict.fromkeys(figure.series for figure in self.figures))
        values = {(figure.series, figure.at): figure.value for figure in self.figures}
        drawing, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
        for index, row in enumerate(rows):
            present = [column for column in columns if (row, column) in values]
            heights = [values[row, column] for column in present]
            if kind == "lines":
                numbers = [float(column.replace(",", "")) for column in present]
                axes.plot(numbers, heights, marker="o", label=row)
            else:
                width = 0.8 / len(rows)
                offset = (index - (len(rows) - 1) / 2) * width
                places = [columns.index(column) + offset for column in present]
                bars = axes.bar(places, heights, width=width, label=row)
                axes.bar_label(bars, labels=[_number(height) for height in heights], fontsize=8)
        if kind == "bars":
            axes.set_xticks(range(len(columns)), columns)
        if logarithmic:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set_title(self.title)
        axes.set_xlabel(across)
        axes.set_ylabel(", ".join(dict.fromkeys(figure.unit for figure in self.figures)))
        if len(rows) > _FEW_ROWS:
            axes.set_ylim(top=1.25 * axes.get_ylim()[1])
        axes.legend(frameon=False, ncols=1 if len(rows) <= _FEW_ROWS else _FEW_ROWS)
        axes.spines[["top", "right"]].set_visible(False)
        drawing.supxlabel(str(self.machine), fontsize=7, color="gray")
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.name}.png"
        drawing.savefig(path, dpi=150)
        pyplot.close(drawing)
        return path


def _cell(figure: Figure) -> str:
    return f"{_number(figure.value)} {figure.unit}".strip()


def _number(value: float) -> str:
    """Three significant digits, or whole numbers with thousands separators."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes held by a process and its descendants together.

    `pss` counts each shared page once; `rss` counts it in every process that maps it.
    """

    pss: int
    rss: int


def tree_memory(pid: int) -> Memory:
    """What the tree under `pid` holds now; zero when it is gone."""
    pss = rss = 0
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return Memory(pss=0, rss=0)
    for process in tree:
        try:
            held = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it ended between the listing and the reading
        pss += held.pss
        rss += held.rss
    return Memory(pss=pss, rss=rss)


class PeakMemory:
    """The largest memory of a process tree while a `with` block runs.

    Samples in a thread every `every` seconds and once at each end. A peak shorter than that can be
    missed. One sample walks the page tables: about a millisecond a process, ten for a large one.
    `pss` and `rss` are separate peaks: they need not be of the same moment.
    """

    def __init__(self, pid: int, *, every: float = 0.1) -> None:
        self._pid = pid
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peak-memory", daemon=True)
        self._pss = self._rss = 0
        self.samples: list[tuple[float, Memory]] = []

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        self._sample()

    @property
    def peak(self) -> Memory:
        """The largest so far."""
        return Memory(pss=self._pss, rss=self._rss)

    def _run(self) -> None:
        while not self._done.wait(self._every):
            self._sample()

    def _sample(self) -> None:
        held = tree_memory(self._pid)
        self._pss, self._rss = max(self._pss, held.pss), max(self._rss, held.rss)
        self.samples.append((time.monotonic(), held))
