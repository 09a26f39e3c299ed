"""Batch input files for the benchmarks: N chat lines of about 1 KB each.

Deterministic (the same count and seed give the same bytes) and made once, under `bench/.build/`.
Sizes and ids vary a little from line to line, so nothing downstream can profit from equal lines.
"""

import json
import os
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

BUILD: Final = Path(__file__).parent / ".build"
MODEL: Final = "bench-model"
_VERSION: Final = 1  # part of the file name: raise it when the lines change, or caches lie

SYSTEM: Final = (
    "You are a careful support analyst. Read the customer's message and answer with the product "
    "area, the urgency from 1 to 5 and a one-sentence summary. Do not invent facts. Keep names, "
    "dates and amounts exactly as written. When the message is ambiguous, say which detail is "
    "missing instead of guessing."
)
SENTENCES: Final = (
    "The nightly export stopped on Tuesday and nobody was told about it.",
    "We were charged twice for the March invoice, once for 129,00 € and once for $141.90.",
    'After the update the dashboard only says "something went wrong".',
    "Our team of twelve cannot sign in through single sign-on since this morning.",
    "Please move the renewal to the first of next month, as agreed with Zoë on the phone.",
    "The import accepts the file but drops every row after number 10,000.",
    "I already tried another browser, a private window and a second laptop.",
    "Could you confirm whether deleted projects still count towards the limit?",
    "The webhook arrives three times and the signature differs each time.",
    "Tickets 4471 and 4502 describe the same problem; the second has a screenshot.",
    "It worked in the trial account, so we assumed that the paid one would do the same.",
    "Support said it would take two days, and that was nine days ago.",
    "The report's totals do not match the sum of its rows, by exactly one day.",
    "Searching for names with an accent finds nothing at all: «Müller», «Søren», «Łukasz».",
    "Path: C:\\exports\\2026\\march\\final.csv, about 48 MB.",
    "We need an answer before Friday's audit.",
)


def chat_lines(count: int, *, seed: int = 0, model: str = MODEL) -> Iterator[bytes]:
    """Yield `count` batch lines (`POST /v1/chat/completions`), each ending in a newline.

    `custom_id` is `request-<index>`; a line is 700 to 1,400 bytes, 990 on average.
    """
    dice = random.Random(seed)  # fixtures, and they must repeat
    # Encoded once: a million calls of a JSON encoder would take longer than the benchmark.
    system = json.dumps({"role": "system", "content": SYSTEM})
    sentences = [json.dumps(sentence)[1:-1] for sentence in SENTENCES]
    head = f'{{"model": {json.dumps(model)}, "messages": [{system}, {{"role": "user", "content": "'
    below = dice.random  # times n: uniform in [0, n), several times faster than randrange
    for index in range(count):
        picks = range(4 + int(below() * 5))
        text = " ".join(sentences[int(below() * len(sentences))] for _ in picks)
        yield (
            f'{{"custom_id": "request-{index:07d}", "method": "POST", '
            f'"url": "/v1/chat/completions", "body": {head}Case {int(below() * 1e9):09d}. {text}"'
            f'}}], "max_tokens": {64 + index % 4 * 64}, "temperature": 0.2}}}}\n'
        ).encode()


def chat_file(count: int, *, seed: int = 0, model: str = MODEL) -> Path:
    """The path of a batch file of `count` lines, written the first time it is asked for."""
    name = f"chat-{count}-{seed}-{model.replace('/', '_')}-v{_VERSION}"
    return written(name, chat_lines(count, seed=seed, model=model))


def written(name: str, lines: Iterator[bytes]) -> Path:
    """The path of the file of that name, in which `lines` are if it is not there yet."""
    BUILD.mkdir(exist_ok=True)
    path = BUILD / f"{name}.jsonl"
    if path.exists():
        return path
    # Renamed into place, or a benchmark interrupted here would leave a short file behind.
    partial = path.with_suffix(f".{os.getpid()}")
    with partial.open("wb") as file:
        while piece := b"".join(islice(lines, 4096)):
            file.write(piece)
    partial.replace(path)
    return path
