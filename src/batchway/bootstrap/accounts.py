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
from batchway.providers.aws.credentials import Credentials
from batchway.providers.aws.place import Place as BedrockPlace
from batchway.providers.azure.account import AzureAccount
from batchway.providers.azure.identity import ApiKey, AzureCredential, entra_tokens
from batchway.providers.google.place import Place
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
                base_url=_base_of(settings),
                api_key=key,
                headers=headers,
                batches=_openai_batches(settings, key, headers, clock=clock),
            )
        case AzureOpenAISettings():
            credential = azure_credential(settings, clock=clock)
            return AzureAccount(
                name=settings.name,
                endpoint=_base_of(settings),
                credential=credential,
                api_version=settings.api_version,
                batches=_azure_batches(settings, credential, clock=clock),
            )
        case GoogleVertexSettings():
            return _vertex_account(settings, clock=clock)
        case BedrockSettings():
            return _bedrock_account(settings, clock=clock)
        case CatalogSettings():
            key = settings.api_key.get_secret_value()
            return OpenAIAccount(
                name=settings.name,
                base_url=_base_of(settings),
                api_key=key,
                engine=True,
                batches=_openai_batches(settings, key, {}, clock=clock),
            )
        case OpenAICompatibleSettings():
            secret = settings.api_key
            return OpenAIAccount(
                name=settings.name,
                base_url=_base_of(settings),
                api_key=None if secret is None else secret.get_secret_value(),
                headers={n: value.get_secret_value() for n, value in settings.headers.items()},
                engine=True,
            )
        case PythonSettings():
            return _own_account(settings, clock=clock)


def address_of(settings: ProviderSettings) -> str | None:
    """Where an entry's requests go to, without what each of them adds; `None`: only it knows."""
    if isinstance(settings, PythonSettings):
        return None
    if isinstance(settings, GoogleVertexSettings):
        return _place_of(settings).api
    if isinstance(settings, BedrockSettings):
        return _bedrock_place(settings).runtime
    return _base_of(settings)


def _base_of(
    settings: OpenAISettings | AzureOpenAISettings | CatalogSettings | OpenAICompatibleSettings,
) -> str:
    match settings:
        case OpenAISettings() | OpenAICompatibleSettings():
            return settings.base_url
        case AzureOpenAISettings():
            return settings.endpoint
        case CatalogSettings():
            return settings.base_url or settings.entry.base_url


def _own_account(settings: PythonSettings, *, clock: Clock) -> Account:
    made = settings.account_class
    try:
        return made(name=settings.name, options=settings.options.get_secret_value(), clock=clock)
    except ValueError as error:
        raise ValueError(f"its `options` do not do: {error}") from error
    except Exception as error:
        # Its words are kept out of sight: they are about secrets, perhaps.
        raise ValueError(f"its class fails on its `options` ({type(error).__name__})") from error


def _place_of(settings: GoogleVertexSettings) -> Place:
    return Place(
        project=settings.project,
        region=settings.region,
        bucket=settings.bucket,
        prefix=settings.prefix,
        # The address is given with and without these.
        base_url=None if settings.base_url is None else settings.base_url.removesuffix("/v1"),
        storage_url=settings.storage_url,
        readable=settings.readable,
    )


def _vertex_account(settings: GoogleVertexSettings, *, clock: Clock) -> Account:
    from batchway.providers.google.account import VertexAccount  # noqa: PLC0415 - said above
    from batchway.providers.google.batches import VertexBatches  # noqa: PLC0415
    from batchway.providers.google.credentials import google_tokens  # noqa: PLC0415

    place = _place_of(settings)
    tokens = google_tokens(
        provider=settings.name,
        clock=clock,
        file=settings.credentials_file,
        token_url=settings.token_url,
    )
    return VertexAccount(
        name=settings.name,
        place=place,
        tokens=tokens,
        models=settings.models,
        batches=VertexBatches(
            name=settings.name, place=place, tokens=tokens, models=settings.models, clock=clock
        ),
    )


def _bedrock_place(settings: BedrockSettings) -> BedrockPlace:
    return BedrockPlace(
        region=settings.region,
        bucket=settings.bucket,
        prefix=settings.prefix,
        base_url=settings.base_url,
        runtime_url=settings.runtime_url,
        s3_url=settings.s3_url,
        readable=settings.readable,
    )


def _bedrock_account(settings: BedrockSettings, *, clock: Clock) -> Account:
    from batchway.providers.aws.account import BedrockAccount  # noqa: PLC0415 - said above
    from batchway.providers.aws.signing import BearerKey, Signatures  # noqa: PLC0415

    if settings.api_key is not None:
        key = settings.api_key.get_secret_value()
        authorization = BearerKey(provider=settings.name, api_key=key)
    else:
        credentials = _aws_credentials(settings, clock=clock)
        authorization = Signatures(credentials=credentials, region=settings.region, clock=clock)
    return BedrockAccount(
        name=settings.name,
        place=_bedrock_place(settings),
        authorization=authorization,
        models=settings.models,
    )


def _aws_credentials(settings: BedrockSettings, *, clock: Clock) -> Credentials:
    from batchway.providers.aws.credentials import (  # noqa: PLC0415 - said above
        BotoCredentials,
        Identity,
        Keys,
    )

    key, secret, token = settings.access_key_id, settings.secret_access_key, settings.session_token
    keys = None
    if key is not None and secret is not None:
        keys = Keys(
            access_key=key,
            secret=secret.get_secret_value(),
            token=None if token is None else token.get_secret_value(),
        )
    return BotoCredentials(
        provider=settings.name,
        identity=Identity(
            keys=keys,
            profile=settings.profile,
            role=settings.assume_role_arn,
            external_id=settings.external_id,
            sts_url=settings.sts_url,
        ),
        region=settings.region,
        clock=clock,
    )


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
        base_url=_base_of(settings),
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
        endpoint=_base_of(settings),
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
        if isinstance(entry, OpenAICompatibleSettings) or entry.traits is None:
            continue
        natives[entry.name] = NativeAccount(
            provider=accounts[entry.name],
            tuning=NativeTuning(
                poll_min=entry.native.poll_min,
                poll_max=entry.native.poll_max,
                settle=entry.native.settle,
                lateness=entry.native.lateness,
                cancel_patience=entry.native.cancel_patience,
                keep_files=entry.native.keep_files,
                credential="" if entry.advises else entry.credential_setting,
            ),
        )
    return NativeAccounts(accounts=natives, clock=clock, draw=draw)
