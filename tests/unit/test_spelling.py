"""Words of OpenAI's and TrueFoundry's that stand in one place of the product, and nowhere else."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import batchway
from batchway.domain.endpoint import Endpoint

ROOT = Path(batchway.__file__).parent
PATHS = "|".join(re.escape(endpoint.path) for endpoint in Endpoint)
ENDPOINT = re.compile(rf"({PATHS})(?![\w-])")
# What facts are from; some of its pages are named like endpoints.
PAGES = ("https://docs.", "https://developers.openai.com/")
HEADER = re.compile(r"x-tfy", re.IGNORECASE)
# A sample of each kind: headers, error codes of lines and of jobs, ids of files in answers.
PROVIDERS_WORD = re.compile(
    r"x-ratelimit|x-request-id|insufficient_quota|rate_limit_exceeded|token_limit_exceeded"
    r"|model_not_found|DeploymentNotFound|invalid_api_key|server_error|\benqueued\b|file-[a-z]"
)


def spelled(source: str) -> Iterator[str]:
    """Every text that a module's code holds: docstrings are prose, and left out."""
    tree = ast.parse(source)
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


@cache
def modules() -> Mapping[str, frozenset[str]]:
    """The texts of every module, by its path below the package."""
    return {
        path.relative_to(ROOT).as_posix(): frozenset(spelled(path.read_text(encoding="utf-8")))
        for path in ROOT.rglob("*.py")
    }


def modules_with(pattern: re.Pattern[str]) -> set[str]:
    """The modules whose code spells it."""
    return {
        name
        for name, texts in modules().items()
        if any(pattern.search(text) for text in texts if not text.startswith(PAGES))
    }


@pytest.mark.parametrize(
    "code",
    [
        'URL = "/v1/chat/completions"',
        'URL = "/embeddings"',
        'url = f"{base}/v1/responses?x={y}"',
        'raise ValueError("only /v1/moderations")',
        'TABLE = {"/v4/completions": 1}',
    ],
)
def test_a_spelling_of_an_endpoint_is_seen(code: str) -> None:
    assert any(ENDPOINT.search(text) for text in spelled(code))


@pytest.mark.parametrize(
    "code",
    [
        '"""About /v1/chat/completions."""',
        'def f():\n    """Such as `/embeddings`."""',
        'URL = "/v1/models"  # not /v1/embeddings',
        'answer["responses"] + "/v1/embeddings-x"',
    ],
)
def test_prose_and_other_words_are_none(code: str) -> None:
    assert not any(ENDPOINT.search(text) for text in spelled(code))


def test_endpoints_are_spelled_in_one_module() -> None:
    found = modules_with(ENDPOINT)
    # The fakes know nothing of the product, and spell everything themselves.
    assert {name for name in found if not name.startswith("simulator/")} == {"domain/endpoint.py"}


def test_what_providers_say_is_known_where_it_is_read() -> None:
    """Not by a story, the dispatch or the composition root: they act on verdicts."""
    reads = (
        *("api/", "simulator/", "catalog/"),
        *("dialects/", "providers/openai/", "providers/azure/", "providers/google/"),
    )
    known = {name for name in modules_with(PROVIDERS_WORD) if not name.startswith(reads)}
    assert known == {
        # Batchway's own answers, in OpenAI's words: the tables of texts.
        "domain/batch_errors.py",
        "domain/errors.py",
    }


def test_truefoundrys_headers_are_named_at_the_door() -> None:
    named = modules_with(HEADER)
    below = {name for name in named if not name.startswith(("api/", "cli/", "simulator/"))}
    assert below == {
        # Sentences that people read, which tell them the header to send.
        "domain/errors.py",
        "domain/routing.py",
        "providers/aws/jobs.py",
        "providers/google/jobs.py",
        "providers/google/refusal.py",
        "settings/aws.py",
        "settings/provider.py",
        "settings/providers.py",
        "settings/schema.py",
        # How rows of before were written: a revision is history.
        "storage/migrations/versions/0009_typed_batches.py",
    }
    assert {name for name in named if name.startswith("api/")} == {"api/overrides.py"}
