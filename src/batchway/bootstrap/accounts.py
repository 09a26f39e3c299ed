"""Accounts, built from settings for one event loop: the one ladder from an entry to its class.

Batch APIs are imported where one is configured: their HTTP client costs 8 MB, and a process whose
requests are sent by another needs none. So are Google's and AWS's accounts, which bring dialects.
"""

from collections.abc import Callable, Iterable, Mapping

from batchway.bootstrap.parts import native_traits
from batchway.domain.call import Call
from batchway.domain.errors import Unavailable
from batchway.domain.overrides import NO_OVERRIDES
from batchway.domain.shard import Mode
from batchway.ports import Account, BatchAccount, Clock, Dialect
from batchway.providers.azure.account import AzureAccount
from batchway.providers.azure.identity import ApiKey, AzureCredential, entra_tokens
from batchway.providers.openai.account import OpenAIAccount
from batchway.settings import (
    AzureOpenAISettings,
    BedrockSettings,
    CatalogSettings,
    GoogleVertexSettings,
    OpenAICompatibleSettings,
    OpenAISettings,
    ProviderSettings,
    PythonSettings,
    Settings,
)
from batchway.workflows.native.accounts import NativeAccount, NativeAccounts, NativeTuning


def open_accounts(settings: Settings, *, clock: Clock) -> dict[str, Account]:
    """Every configured account, by name. Nothing is connected yet.

    Raises `Unavailable` for one that cannot be called at all: credentials that need a package which
    is not installed, an address or a header that cannot be sent.
    """
    accounts: dict[str, Account] = {}
    for entry in settings.providers:
        try:
            accounts[entry.name] = new_account(entry, clock=clock)
        except ValueError as error:
            raise Unavailable(f"The provider '{entry.name}' cannot be called: {error}.") from error
    return accounts


def dialects_of(accounts: Mapping[str, Account]) -> Callable[[str, Call, Mode], Dialect | None]:
    """What is spoken at an account in calls of one kind; `None` where no such call can be made."""

    def dialect_of(provider: str, call: Call, mode: Mode) -> Dialect | None:
        account = accounts[provider]
        try:
            way = account.jobs(call) if mode is Mode.NATIVE else account.online(call)
        except ValueError:
            return None  # what that means to a line is said when it is sent
        return None if way is None else way.dialect

    return dialect_of


async def close_accounts(accounts: Iterable[Account]) -> None:
    """Close the connections of accounts."""
    for account in accounts:
        await account.close()


def new_account(settings: ProviderSettings, *, clock: Clock) -> Account:
    """The account that an entry of `providers` describes.

    Raises:
        ValueError: it cannot be called at all; see `open_accounts`.
    """
    match settings:
        case OpenAISettings():
            headers: dict[str, str] = {}
            if settings.organization:
                headers["openai-organization"] = settings.organization
            if settings.project:
                headers["openai-project"] = settings.project
            key = settings.api_key.get_secret_value()
            return OpenAIAccount(
                name=settings.name,
                base_url=settings.address,
                api_key=key,
                headers=headers,
                batches=_openai_batches(settings, key, headers, clock=clock),
            )
        case AzureOpenAISettings():
            credential = azure_credential(settings, clock=clock)
            return AzureAccount(
                name=settings.name,
                endpoint=settings.address,
                credential=credential,
                api_version=settings.api_version,
                batches=_azure_batches(settings, credential, clock=clock),
            )
        case GoogleVertexSettings():
            from batchway.bootstrap.vertex import vertex_account  # noqa: PLC0415 - said above

            return vertex_account(settings, clock=clock)
        case BedrockSettings():
            from batchway.bootstrap.bedrock import bedrock_account  # noqa: PLC0415 - as above

            return bedrock_account(settings, clock=clock)
        case CatalogSettings():
            key = settings.api_key.get_secret_value()
            return OpenAIAccount(
                name=settings.name,
                base_url=settings.address,
                api_key=key,
                engine=True,
                batches=_openai_batches(settings, key, {}, clock=clock),
            )
        case OpenAICompatibleSettings():
            secret = settings.api_key
            return OpenAIAccount(
                name=settings.name,
                base_url=settings.address,
                api_key=None if secret is None else secret.get_secret_value(),
                headers={n: value.get_secret_value() for n, value in settings.headers.items()},
                engine=True,
            )
        case PythonSettings():
            return _own_account(settings, clock=clock)


def _own_account(settings: PythonSettings, *, clock: Clock) -> Account:
    made = settings.account_class
    try:
        return made(name=settings.name, options=settings.options.get_secret_value(), clock=clock)
    except ValueError as error:
        raise ValueError(f"its `options` do not do: {error}") from error
    except Exception as error:
        # Its words are kept out of sight: they are about secrets, perhaps.
        raise ValueError(f"its class fails on its `options` ({type(error).__name__})") from error


def azure_credential(settings: AzureOpenAISettings, *, clock: Clock) -> AzureCredential:
    """The key of a resource, or its tokens. Raises `ValueError` as `new_account` does."""
    if settings.api_key is not None:
        return ApiKey(provider=settings.name, api_key=settings.api_key.get_secret_value())
    secret = settings.client_secret
    return entra_tokens(
        provider=settings.name,
        clock=clock,
        tenant_id=settings.tenant_id,
        client_id=settings.client_id,
        client_secret=None if secret is None else secret.get_secret_value(),
    )


def _openai_batches(
    settings: OpenAISettings | CatalogSettings,
    key: str,
    headers: Mapping[str, str],
    *,
    clock: Clock,
) -> BatchAccount:
    from batchway.providers.openai.batches import (  # noqa: PLC0415 - said above
        OpenAIBatchesProvider,
    )

    return OpenAIBatchesProvider(
        name=settings.name,
        base_url=settings.address,
        headers={"authorization": f"Bearer {key}", **headers},
        traits=native_traits(settings.native, settings.traits),
        quirks=settings.entry.quirks,
        clock=clock,
    )


def _azure_batches(
    settings: AzureOpenAISettings, credential: AzureCredential, *, clock: Clock
) -> BatchAccount:
    from batchway.providers.azure.batches import AzureBatchesProvider  # noqa: PLC0415 - said above

    return AzureBatchesProvider(
        name=settings.name,
        endpoint=settings.address,
        credential=credential,
        api_version=settings.api_version,
        traits=native_traits(settings.native, settings.traits),
        clock=clock,
    )


def batch_apis(accounts: Mapping[str, Account]) -> dict[str, BatchAccount | None]:
    """The batch API of every account to look things up in, `None` where there is none to see."""
    return {
        name: None if account.archive(NO_OVERRIDES) is None else account
        for name, account in accounts.items()
    }


def native_accounts(
    settings: Settings,
    *,
    accounts: Mapping[str, Account],
    clock: Clock,
    draw: Callable[[], float],
) -> NativeAccounts:
    """Every configured batch API, for the runs of one event loop."""
    natives: dict[str, NativeAccount] = {}
    for entry in settings.providers:
        native = entry.batch_api
        if native is None:
            continue
        natives[entry.name] = NativeAccount(
            provider=accounts[entry.name],
            tuning=NativeTuning(
                poll_min=native.poll_min,
                poll_max=native.poll_max,
                settle=native.settle,
                lateness=native.lateness,
                cancel_patience=native.cancel_patience,
                keep_files=native.keep_files,
                credential="" if entry.advises else entry.credential_setting,
            ),
        )
    return NativeAccounts(accounts=natives, clock=clock, draw=draw)
