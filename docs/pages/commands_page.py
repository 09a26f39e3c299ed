"""The page of every command."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from batchway.cli.app import app as commands
from batchway.cli.failures import EXIT_CODES
from pages.markdown import code, page, table


def commands_page() -> str:
    """Every command with its flags."""
    root = typer.main.get_command(commands)
    blocks = [
        "Results go to standard output, everything else to standard error; neither holds control "
        "codes unless it is a terminal, and `NO_COLOR` is honoured.",
        "Every command takes `-h`. Those that print data take `--json`: one JSON value on standard "
        "output, and nothing else there.",
        "## Exit codes",
        table(["Code", "Meaning"], [[str(number), text] for number, text in EXIT_CODES.items()]),
    ]
    for name, command in walk(root, "batchway"):
        blocks.append(f"## `{name}`")
        blocks.append(inspect.cleandoc(command.help or ""))
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option"]
        usage = " ".join([name, *(str(a.metavar) for a in arguments)])
        if options:
            usage += " [OPTIONS]"
        if getattr(command, "commands", None):
            usage += " COMMAND"
        blocks.append(f"```\n{usage}\n```")
        if arguments or options:
            rows = [
                [code(a.metavar), "required" if a.required else "", a.help or ""] for a in arguments
            ]
            rows += [[_flags(o), _option_default(o), o.help or ""] for o in options]
            blocks.append(table(["Argument or option", "Default", "Meaning"], rows))
    return page("Commands", *blocks)


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and everything below it."""
    yield name, command
    for below in (getattr(command, "commands", None) or {}).values():
        yield from walk(below, f"{name} {below.name}")


def _flags(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or 'VALUE'}"
    return code(", ".join([*option.opts, *option.secondary_opts]) + value)


def _option_default(option: Any) -> str:
    if option.required:
        return "required"
    variable = f" or {code(option.envvar)}" if option.envvar else ""
    value = option.default
    shown = "" if value is None or value is False or callable(value) else code(value)
    return (shown + variable).removeprefix(" or ")
