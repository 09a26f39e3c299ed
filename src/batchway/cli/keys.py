"""`batchway keys`: API keys stored in the database of the data directory."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchway.cli.console import columns_of, moment, nearest, note, printable, say, table
from batchway.cli.failures import CommandError
from batchway.cli.options import Config, DataDir, Json, finish, settings_of
from batchway.domain.keys import DEFAULT_TENANT

if TYPE_CHECKING:
    from batchway.domain.keys import ApiKey
    from batchway.settings import Settings

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the key.")]


@keys.command()
def create(
    name: Name,
    *,
    tenant: Annotated[
        str, typer.Option(help="Who owns what the key creates; tenants see only their own.")
    ] = DEFAULT_TENANT,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A provider that the key may use; may be repeated. All by default."
        ),
    ] = None,
    passthrough: Annotated[
        bool | None,
        typer.Option(
            help="Whether the key may look up, with x-tfy-provider-name, what was not made here. "
            "By default where no key of another tenant may use the provider."
        ),
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print its secret, which is not shown again."""
    settings = _settings(config, data_dir)
    for text, what in ((name, "name"), (tenant, "tenant")):
        _well_formed(text, what)
    configured = [each.name for each in settings.providers]
    for each in provider or []:
        if each not in configured:
            known = ", ".join(configured) or "none"
            raise CommandError(
                f"No provider named '{printable(each)}' is configured"
                f"{nearest(each, configured)}. Configured: {known}."
            )
    if any(key.name == name for key in settings.auth.keys):
        raise CommandError(f"The configuration has a key named '{name}' already.")

    from batchway.bootstrap.stored import open_keys  # noqa: PLC0415 - slow to import, see the package
    from batchway.service.keys import DuplicateKeyName  # noqa: PLC0415 - same

    async def work() -> tuple["ApiKey", str]:
        async with open_keys(settings) as service:
            return await service.create(
                name, tenant=tenant, providers=provider or None, passthrough=passthrough
            )

    try:
        _, secret = finish(work())
    except DuplicateKeyName as error:
        raise CommandError(f"There is a key named '{name}' already; revoke it first.") from error
    note(f"Key '{name}' of tenant '{tenant}'. This is the only time it is shown:")
    say(secret)


@keys.command("list")
def list_keys(*, as_json: Json = False, config: Config = None, data_dir: DataDir = None) -> None:
    """List the keys, those of the configuration included. Secrets are not stored."""
    settings = _settings(config, data_dir)
    from batchway.bootstrap.stored import open_keys  # noqa: PLC0415 - slow to import, see the package

    async def work() -> list["ApiKey"]:
        async with open_keys(settings) as service:
            return await service.list()

    stored = finish(work())
    if as_json:
        say(json.dumps(_as_json(settings, stored), indent=2))
        return
    rows = [
        [key.name, key.tenant, _providers(key.providers), "****", "configuration", "-"]
        for key in settings.auth.keys
    ]
    rows += [
        [
            key.name,
            key.tenant,
            _providers(key.providers),
            key.hint,
            moment(key.created_at),
            moment(key.revoked_at),
        ]
        for key in stored
    ]
    if not rows:
        note("No keys. Make one with `batchway keys create NAME`.")
        return
    head = ["NAME", "TENANT", "PROVIDERS", "KEY", "CREATED", "REVOKED"]
    spare = ["REVOKED", "CREATED", "PROVIDERS"]
    say(table(head, rows, width=columns_of(sys.stdout), spare=spare))


@keys.command()
def revoke(name: Name, config: Config = None, data_dir: DataDir = None) -> None:
    """Revoke a key; requests with it are refused from then on."""
    settings = _settings(config, data_dir)
    from batchway.bootstrap.stored import open_keys  # noqa: PLC0415 - slow to import, see the package

    async def work() -> bool:
        async with open_keys(settings) as service:
            return await service.revoke(name)

    if not finish(work()):
        shown = printable(name)
        if any(key.name == name for key in settings.auth.keys):
            raise CommandError(f"The key '{shown}' is one of the configuration: remove it there.")
        raise CommandError(f"There is no active key named '{shown}'.")
    note(f"Key '{name}' is revoked.")


def _settings(config: Path | None, data_dir: Path | None) -> "Settings":
    return settings_of(config, {"data_dir": data_dir})


def _as_json(settings: "Settings", stored: "list[ApiKey]") -> list[dict[str, object]]:
    """What is known of each key; no secrets."""
    configured: list[dict[str, object]] = [
        {
            "name": key.name,
            "tenant": key.tenant,
            "providers": None if key.providers is None else sorted(key.providers),
            "hint": None,
            "created_at": None,
            "revoked_at": None,
            "from": "configuration",
        }
        for key in settings.auth.keys
    ]
    return configured + [
        {
            "name": key.name,
            "tenant": key.tenant,
            "providers": None if key.providers is None else sorted(key.providers),
            "hint": key.hint,
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
            "from": "database",
        }
        for key in stored
    ]


def _well_formed(text: str, what: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise CommandError(
            f"The {what} must be 1 to 64 letters, digits, dots, underscores or hyphens.", code=2
        )


def _providers(names: frozenset[str] | None) -> str:
    return "all" if names is None else ", ".join(sorted(names))
