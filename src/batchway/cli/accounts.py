"""Flags that say which providers a command without a server uses, and settings made of them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchway.cli.console import nearest, printable
from batchway.cli.failures import CommandError
from batchway.cli.options import settings_of

if TYPE_CHECKING:
    from batchway.settings import Settings

BaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="An OpenAI-compatible endpoint to use instead of the configured providers, such as "
        "http://gpu:8000/v1.",
        show_default=False,
    ),
]
KeyVariable = Annotated[
    str | None,
    typer.Option(
        "--api-key-env",
        metavar="NAME",
        help="Environment variable that holds the key for --base-url.",
        show_default=False,
    ),
]


def settings_with(
    config: Path | None,
    *,
    provider: str | None,
    base_url: str | None = None,
    key_variable: str | None = None,
) -> "Settings":
    """The settings, with the account that `--base-url` names instead of those configured."""
    flags: dict[str, object] = {}
    if base_url is not None:
        account = {"name": provider or "endpoint", "type": "openai-compatible"}
        account["base_url"] = base_url
        if key_variable is not None:
            if not os.environ.get(key_variable):
                raise CommandError(f"The environment variable {key_variable} is not set.")
            account["api_key"] = os.environ[key_variable]
        # Routes and keys of the file name the providers that this one stands in for.
        flags = {"providers": [account], "routes": [], "auth.keys": []}
    elif key_variable is not None:
        raise typer.BadParameter("--api-key-env belongs to --base-url")
    from batchway.settings import SettingsError  # noqa: PLC0415 - slow to import, see the package

    try:
        settings = settings_of(config, flags)
    except SettingsError as error:
        if base_url is None:
            raise
        raise SettingsError(map(_as_flag, error.problems)) from error
    names = [each.name for each in settings.providers]
    if provider is not None and provider not in names:
        known = ", ".join(names) or "none"
        raise CommandError(
            f"No provider named '{printable(provider)}' is configured{nearest(provider, names)}. "
            f"Configured: {known}."
        )
    return settings


def _as_flag(problem: str) -> str:
    """A problem with what `--base-url` gave, by the name that the person used."""
    flag = problem.replace("providers[0].base_url: ", "--base-url ")
    return flag.replace(" (the command line)", "")


def with_concurrency(settings: "Settings", concurrency: int | None) -> "Settings":
    """The settings with so many requests in flight for each model."""
    if concurrency is None:
        return settings
    providers = tuple(
        each.model_copy(
            update={"limits": each.limits.model_copy(update={"concurrency": concurrency})}
        )
        for each in settings.providers
    )
    return settings.model_copy(update={"providers": providers})
