"""A class of one's own that a configuration names, for a provider of the type `python`.

Owns finding it, and what can be told of it without making one. What an account has to do is
`ports.Account`'s.
"""

import importlib
import re
from inspect import getattr_static
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from batchway.domain.remote import NativeTraits

_WRITTEN: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
METHODS: Final = ("online", "jobs", "archive", "health", "close")
# What a class may say of a model, besides.
HOOKS: Final = ("traits_of", "objection")
_NONE: Final = staticmethod(lambda: None)


def load_class(value: object) -> type[Any]:
    """The class at `package.module:Class`.

    Raises:
        ValueError: there is none, or it cannot be one of accounts.
    """
    if not isinstance(value, str) or not _WRITTEN.fullmatch(value):
        raise ValueError("must be a class as 'package.module:Class'")
    module_name, _, name = value.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # somebody else's code: whatever stops its import is its mistake
        raise ValueError(
            f"must be in a module that can be imported ({type(error).__name__}: {error})"
        ) from error
    found: object = getattr(module, name, None)
    if not isinstance(found, type):
        raise ValueError("must be a class of that module")  # noqa: TRY004 - pydantic collects ValueError only
    lacking = [method for method in METHODS if not callable(getattr(found, method, None))]
    if lacking:
        raise ValueError(f"must be a class of accounts (it lacks {', '.join(lacking)})")
    if not isinstance(getattr(found, "traits", None), NativeTraits | None):
        raise ValueError("must be a class whose `traits` are NativeTraits or None")  # noqa: TRY004 - as above
    for hook in HOOKS:
        # Asked of the class: lines are routed before, and where, there is no account.
        if not isinstance(getattr_static(found, hook, _NONE), staticmethod | classmethod):
            raise ValueError(f"must be a class whose `{hook}` is a static or a class method")  # noqa: TRY004 - as above
    if hasattr(found, "traits_of") and getattr(found, "traits", None) is None:
        raise ValueError("must be a class that has `traits` beside its `traits_of`")
    return found


AccountClass = Annotated[type[Any], BeforeValidator(load_class)]
