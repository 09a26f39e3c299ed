"""Problems of a file: what many lines share is told once, and none is forgotten."""

from batchway.cli.console import folded, table
from batchway.cli.problems import Problems, ToldProblem

LONG = "This request cannot be sent to the provider without changing what it asks for."


def of(line: int | None, message: str = LONG, code: str = "unsupported_parameter") -> ToldProblem:
    return ToldProblem(code=code, message=message, param="body.n", line=line)


def test_lines_that_share_a_problem_are_counted() -> None:
    found = [*(of(n) for n in range(3, 23)), of(5, "Empty."), of(6, "Empty."), of(None, "Few.")]
    assert Problems(found).told("in.jsonl") == [
        f"in.jsonl:3: {LONG} [unsupported_parameter, body.n]",
        "    the same in lines 4, 5 and in 17 more lines",
        "in.jsonl:5: Empty. [unsupported_parameter, body.n]",
        "    the same in line 6",
        "in.jsonl: Few. [unsupported_parameter, body.n]",
    ]


def test_a_server_knows_no_name_of_a_file() -> None:
    problems = Problems([of(2), of(None, "Few.")])
    assert problems.told(None)[0].startswith("line 2: This request")
    assert problems.told(None)[1].startswith("Few. [")


def test_what_is_held_is_bounded() -> None:
    problems = Problems((of(n, f"Problem {n % 5}.") for n in range(20)), most=3)
    assert (len([t for t in problems.told("f") if t[0] != " "]), problems.left_out) == (3, 8)


def test_words_are_whole_on_a_narrow_terminal() -> None:
    text = Problems([of(3)]).told("in.jsonl")[0]
    lines = folded(text, 40).split("\n")
    assert max(map(len, lines)) <= 40
    assert " ".join(lines) == text


def test_a_column_that_says_nothing_makes_room() -> None:
    head = ["ID", "PROVIDER", "NAME"]
    rows = [["b" * 20, "vertex", "-"], ["c", "-", "-"]]
    narrow = table(head, rows, width=30, spare=["NAME", "PROVIDER"]).splitlines()[0]
    assert narrow.split() == ["ID", "PROVIDER"]
    assert table(head, rows, spare=["NAME", "PROVIDER"]).splitlines()[0].split() == head
