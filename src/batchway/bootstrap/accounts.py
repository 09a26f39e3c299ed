"""Providers' own batch APIs, built from settings for one event loop.

They are imported where one is configured: their HTTP client costs 8 MB, and a process whose
requests are sent by another needs none.
"""

from collections.abc import Callable

from batchway.bootstrap.parts import native_traits
from batchway.ports import BatchAccount, Clock
from batchway.providers.azure.identity import ApiKey, AzureCredential, entra_tokens
from batchway.settings import (
    AzureOpenAISettings,
    CatalogSettings,
    OpenAICompatibleSettings,
    OpenAISettings,
    ProviderSettings,
    Settings,
)
from batchway.workflows.native.accounts import NativeAccount, NativeAccounts, NativeTuning


def native_provider(settings: ProviderSettings, *, clock: Clock) -> BatchAccount | None:
    """The batch API of a provider's entry, `None` where it has none.

    Raises:
        ValueError: its credentials need a package that is not installed.
    """
    if isinstance(settings, OpenAICompatibleSettings):
        return None
    from batchway.providers.azure.batches import AzureBatchesProvider  # noqa: PLC0415 - said above
    from batchway.providers.openai.batches import (  # noqa: PLC0415 - said above
        OpenAIBatchesProvider,
    )

    match settings:
        case OpenAISettings():
            headers = {"authorization": f"Bearer {settings.api_key.get_secret_value()}"}
            if settings.organization:
                headers["openai-organization"] = settings.organization
            if settings.project:
                headers["openai-project"] = settings.project
            return OpenAIBatchesProvider(
                name=settings.name,
                base_url=settings.base_url,
                headers=headers,
                traits=native_traits(settings),
                quirks=settings.entry.quirks,
                clock=clock,
            )
        case AzureOpenAISettings():
            return AzureBatchesProvider(
                name=settings.name,
                endpoint=settings.endpoint,
                credential=azure_credential(settings, clock=clock),
                api_version=settings.api_version,
                traits=native_traits(settings),
                clock=clock,
            )
        case CatalogSettings():
            return OpenAIBatchesProvider(
                name=settings.name,
                base_url=settings.base_url or settings.entry.base_url,
                headers={"authorization": f"Bearer {settings.api_key.get_secret_value()}"},
                traits=native_traits(settings),
                quirks=settings.entry.quirks,
                clock=clock,
            )


def azure_credential(settings: AzureOpenAISettings, *, clock: Clock) -> AzureCredential:
    """The key of a resource, or its tokens. Raises `ValueError` as `native_provider` does."""
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


def native_accounts(
    settings: Settings, *, clock: Clock, draw: Callable[[], float]
) -> NativeAccounts:
    """Every configured batch API, for the runs of one event loop."""
    accounts: dict[str, NativeAccount] = {}
    for entry in settings.providers:
        provider = native_provider(entry, clock=clock)
        if provider is None or isinstance(entry, OpenAICompatibleSettings):
            continue
        accounts[entry.name] = NativeAccount(
            provider=provider,
            tuning=NativeTuning(
                poll_min=entry.native.poll_min,
                poll_max=entry.native.poll_max,
                settle=entry.native.settle,
                lateness=entry.native.lateness,
                cancel_patience=entry.native.cancel_patience,
                keep_files=entry.native.keep_files,
            ),
        )
    return NativeAccounts(accounts=accounts, clock=clock, draw=draw)
