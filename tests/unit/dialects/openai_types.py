"""OpenAI's own types as judges of what the dialects write, with names that they lack refused.

The SDK's request types are TypedDicts, which take any further key, and its lists are read only when
somebody walks them: both are undone here.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import openai.types
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import ConfigDict, TypeAdapter
from typing_extensions import is_typeddict


@cache
def _strict(kind: type) -> TypeAdapter[Any]:
    for module in pkgutil.walk_packages(openai.types.__path__, "openai.types."):
        for each in vars(importlib.import_module(module.name)).values():
            if is_typeddict(each):
                each.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(kind)


def chat_request(body: object) -> None:
    """Raises `ValidationError` unless it is a chat request."""
    _walk(_strict(CompletionCreateParamsNonStreaming).validate_python(body))


def responses_request(body: object) -> None:
    """Raises `ValidationError` unless it is a Responses request."""
    _walk(_strict(ResponseCreateParamsNonStreaming).validate_python(body))


def _walk(value: Any) -> None:
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for each in value:
            _walk(each)
