"""The page of what becomes of each of OpenAI's parameters where another wire is spoken."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Final

import msgspec

from batchway import dialects
from batchway.dialects.requests.parameters import Handling, Parameter, Parameters
from batchway.domain.endpoint import Endpoint
from pages.markdown import code, page, table

_TITLES: Final = {
    "anthropic": "Claude: Anthropic's Messages",
    "deepseek": "DeepSeek-R1 on Bedrock: a prompt",
    "llama": "Llama on Bedrock: a prompt",
    "mistral.chat_parameters": "Mistral Large (24.07) and Pixtral on Bedrock: chat completions",
    "mistral.prompt_parameters": "Mistral's older models on Bedrock: a prompt",
    "openai.open_parameters": "Open models on Bedrock: OpenAI's body without a model",
    "converse.nova_parameters": "Amazon Nova: InvokeModel's body",
    "converse.parameters": "Any model of Bedrock's: Converse",
    "gemini": "Gemini and Google's embeddings",
    "responses": "Responses over a model that has only chat",
}
_ENDPOINTS: Final = {
    "CHAT": Endpoint.CHAT_COMPLETIONS,
    "EMBEDDINGS": Endpoint.EMBEDDINGS,
    "RESPONSES": Endpoint.RESPONSES,
}


def parameters_page() -> str:
    """Every table of every dialect."""
    blocks = [
        "Lines are OpenAI's, whatever runs them. Where a provider speaks another wire, each of "
        "OpenAI's parameters is one of four things, and none is dropped in silence:",
        "* *mapped*: it becomes something of the same meaning;\n"
        "* *ignored*: it changes nothing there. It is left out, the result names it in "
        "`batchway.warnings` of its body, and the batch counts it in `warnings`;\n"
        "* *not promised*: left out and told in the same way, but it asks for a promise that is "
        "not made there: an answer may fail to keep it;\n"
        "* *rejected*: what it asks for would be missed. `batchway check` and the validation of "
        "the batch name line and parameter.",
        "Values that ask for nothing (null, and those under *nothing asked*) are always taken. A "
        "name that is in no row is none of OpenAI's, and is refused as OpenAI refuses it. "
        "Providers that speak OpenAI's own wire get every body as it is.",
    ]
    for module, name, rows in tables():
        family = module.split(".")[0]
        title = _TITLES.get(module) or _TITLES.get(family, family)
        blocks += [f"## {title}: {code(_ENDPOINTS[name].value)}", _table(rows)]
    return page("Parameters", *blocks)


def tables() -> Iterator[tuple[str, str, Parameters]]:
    """Module, name and rows of every table, in the order of the modules."""
    for found in pkgutil.walk_packages(dialects.__path__, f"{dialects.__name__}."):
        module = found.name.removeprefix(f"{dialects.__name__}.")
        if not module.endswith("parameters") or module.startswith("requests."):
            continue
        held = vars(importlib.import_module(found.name))
        for name in _ENDPOINTS:
            if isinstance(rows := held.get(name), Parameters):
                yield module, name, rows


def _table(rows: Parameters) -> str:
    return table(
        ["Parameter", "", "What becomes of it", "Nothing asked", "Source"],
        [
            [
                code(row.name),
                "not promised" if row.promise else row.handling.value,
                row.note,
                ", ".join(code(_written(value)) for value in row.idle),
                f"[page]({row.source})" if row.source else "",
            ]
            for row in sorted(rows.rows, key=_order)
        ],
    )


def _order(row: Parameter) -> tuple[bool, int, str]:
    """Whole parameters first, what needs attention before what does not."""
    nested = "." in row.name or "[" in row.name
    return nested, list(Handling).index(row.handling) if nested else 0, row.name


def _written(value: object) -> str:
    return msgspec.json.encode(value).decode()
