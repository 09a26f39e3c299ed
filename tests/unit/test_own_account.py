"""A provider of one's own: `type: python`, from the entry to the account."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.own_account import Managed, Native

from batchway.bootstrap.accounts import batch_apis, native_accounts, open_accounts
from batchway.bootstrap.parts import SystemClock, routing_table
from batchway.bootstrap.preconditions import check_proxies
from batchway.domain.errors import Unavailable
from batchway.domain.overrides import Overrides
from batchway.domain.routing import Destination, Unroutable
from batchway.domain.shard import Mode
from batchway.ports import Account
from batchway.settings import Settings, SettingsError, load
from batchway.settings.account_class import METHODS
from batchway.settings.tree import keys

HERE = "tests.unit.own_account"
SECRET = "do-not-show-this"


def _settings(tmp_path: Path, **entry: object) -> Settings:
    given: dict[str, Any] = {"name": "own", "type": "python", "options": {"key": SECRET}} | entry
    return load(None, {"providers": [given]}, {}, tmp_path)


def _destination(settings: Settings) -> Destination:
    found = routing_table(settings).resolve(
        "own/m", endpoint="/v1/chat/completions", provider=None, allowed=None
    )
    assert isinstance(found, Destination)
    return found


async def test_an_entry_becomes_an_account_of_its_class(tmp_path: Path) -> None:
    settings = _settings(tmp_path, **{"class": f"{HERE}:Managed"})
    clock = SystemClock()
    check_proxies(settings)  # where it goes, only the class knows
    account = open_accounts(settings, clock=clock)["own"]
    assert isinstance(account, Managed)
    assert (account.name, account.options, account.clock) == ("own", {"key": SECRET}, clock)
    assert _destination(settings).mode is Mode.MANAGED
    assert SECRET not in repr(settings) + str(settings)


def test_a_class_with_traits_has_a_batch_api_whether_it_can_be_looked_at_or_not(
    tmp_path: Path,
) -> None:
    settings = _settings(
        tmp_path, **{"class": f"{HERE}:Native"}, mode="native", native={"max_lines": 50}
    )
    found = _destination(settings)
    assert (found.mode, found.traits) == (Mode.NATIVE, replace(Native.traits, max_lines=50))
    accounts = open_accounts(settings, clock=SystemClock())
    natives = native_accounts(settings, accounts=accounts, clock=SystemClock(), draw=lambda: 0.5)
    assert list(natives) == ["own"]
    assert natives["own"].tuning.credential == "options"
    assert batch_apis(accounts) == {"own": None}


@pytest.mark.parametrize(
    ("model", "region", "mode", "lines"),
    [
        ("large", None, Mode.NATIVE, 50),
        ("small", None, Mode.NATIVE, 20),
        ("rare-1", None, Mode.MANAGED, None),
        ("large", "nowhere", Mode.MANAGED, None),
    ],
)
def test_a_class_may_tell_its_models_apart(
    tmp_path: Path, model: str, region: str | None, mode: Mode, lines: int | None
) -> None:
    settings = _settings(tmp_path, **{"class": f"{HERE}:Choosy"}, native={"max_lines": 50})
    found = routing_table(settings).resolve(
        model,
        endpoint="/v1/chat/completions",
        provider="own",
        allowed=None,
        overrides=Overrides(vertex_region=region),
    )
    assert isinstance(found, Destination)
    assert (found.mode, found.traits and found.traits.max_lines) == (mode, lines)


@pytest.mark.parametrize("mode", ["auto", "managed"])
def test_a_class_may_object_to_a_model(tmp_path: Path, mode: str) -> None:
    settings = _settings(tmp_path, **{"class": f"{HERE}:Choosy"}, mode=mode)
    found = routing_table(settings).resolve(
        "none", endpoint="/v1/chat/completions", provider="own", allowed=None
    )
    assert found == Unroutable(advice="Choosy has no none at /v1/chat/completions.")


def test_options_are_expanded_and_hidden(tmp_path: Path) -> None:
    (tmp_path / "batchway.yaml").write_text(
        f'providers: [{{name: own, type: python, class: "{HERE}:Managed",'
        ' options: {key: "${KEY}", more: {deep: [1]}}}]'
    )
    settings = load(None, {}, {"KEY": SECRET}, tmp_path)
    account = open_accounts(settings, clock=SystemClock())["own"]
    assert isinstance(account, Managed)
    assert account.options == {"key": SECRET, "more": {"deep": [1]}}
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, "providers[0].class: required for a provider of type 'python'."),
        (
            {"class": "acme"},
            "providers[0].class: must be a class as 'package.module:Class', not 'acme'.",
        ),
        (
            {"class": "no_such_module:Account"},
            "providers[0].class: must be in a module that can be imported (ModuleNotFoundError: "
            "No module named 'no_such_module'), not 'no_such_module:Account'.",
        ),
        (
            {"class": f"{HERE}:Missing"},
            f"providers[0].class: must be a class of that module, not '{HERE}:Missing'.",
        ),
        (
            {"class": f"{HERE}:NO_CLASS"},
            f"providers[0].class: must be a class of that module, not '{HERE}:NO_CLASS'.",
        ),
        (
            {"class": f"{HERE}:Lacking"},
            "providers[0].class: must be a class of accounts (it lacks jobs, archive, health, "
            f"close), not '{HERE}:Lacking'.",
        ),
        (
            {"class": f"{HERE}:Odd"},
            "providers[0].class: must be a class whose `traits` are NativeTraits or None, not "
            f"'{HERE}:Odd'.",
        ),
        (
            {"class": f"{HERE}:Plain"},
            "providers[0].class: must be a class whose `objection` is a static or a class method, "
            f"not '{HERE}:Plain'.",
        ),
        (
            {"class": f"{HERE}:Silent"},
            "providers[0].class: must be a class that has `traits` beside its `traits_of`, not "
            f"'{HERE}:Silent'.",
        ),
        (
            {"class": f"{HERE}:Managed", "options": SECRET},
            "providers[0].options: must hold 'name: value' pairs.",
        ),
        (
            {"class": f"{HERE}:Managed", "option": {}},
            "providers[0].option: unknown setting; did you mean 'providers[0].options'?.",
        ),
        (
            {"class": f"{HERE}:Managed", "mode": "native"},
            "providers[0].mode: its class says no `traits`, so it has no batch API.",
        ),
        (
            {"class": f"{HERE}:Native", "native": {"max_lines": 5}},
            "providers[0].native.max_lines: must not be below 10, which is the provider's least.",
        ),
    ],
)
def test_what_is_wrong_with_an_entry(
    tmp_path: Path, entry: dict[str, object], problem: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        _settings(tmp_path, **entry)
    (told,) = caught.value.problems
    assert told.replace(" (the command line)", "") == problem


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"key": "short"}, "its `options` do not do: the key is too short"),
        ({SECRET: "x"}, "its class fails on its `options` (KeyError)"),
    ],
)
def test_options_that_the_class_refuses(
    tmp_path: Path, options: dict[str, object], told: str
) -> None:
    settings = _settings(tmp_path, **{"class": f"{HERE}:Managed"}, options=options)
    with pytest.raises(Unavailable) as caught:
        open_accounts(settings, clock=SystemClock())
    assert str(caught.value) == f"The provider 'own' cannot be called: {told}."


def test_a_class_is_checked_for_what_an_account_has() -> None:
    said = {name for name in vars(Account) if not name.startswith("_")}
    assert {*METHODS, "name"} == said
    assert "providers[].class" in {key.path for key in keys()}
