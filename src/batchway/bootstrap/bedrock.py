"""The account that settings of AWS Bedrock describe. Imported where one is configured."""

from batchway.ports import Account, Clock
from batchway.providers.aws.account import BedrockAccount
from batchway.providers.aws.batches import BedrockBatches
from batchway.providers.aws.credentials import BotoCredentials, Identity, Keys
from batchway.providers.aws.jobs import Terms
from batchway.providers.aws.place import Place
from batchway.providers.aws.signing import BearerKey, Signatures
from batchway.settings import BedrockSettings


def bedrock_account(settings: BedrockSettings, *, clock: Clock) -> Account:
    """The account in its region. Raises `ValueError` as `new_account`."""
    name, region = settings.name, settings.region
    credentials = BotoCredentials(
        provider=name,
        identity=_identity(settings),
        region=region,
        clock=clock,
        s3_alone=settings.api_key is not None,
    )
    if settings.api_key is not None:
        authorization = BearerKey(provider=name, api_key=settings.api_key.get_secret_value())
    else:
        authorization = Signatures(credentials=credentials, region=region, clock=clock)
    place = Place(
        region=region,
        bucket=settings.bucket,
        prefix=settings.prefix,
        bucket_owner=settings.bucket_owner,
        kms_key=settings.kms_key,
        base_url=settings.base_url,
        runtime_url=settings.runtime_url,
        s3_url=settings.s3_url,
        readable=settings.readable,
    )
    batches = BedrockBatches(
        name=name,
        place=place,
        terms=_terms(settings),
        authorization=authorization,
        credentials=credentials,
        models=settings.models,
        clock=clock,
    )
    return BedrockAccount(
        name=name,
        place=place,
        authorization=authorization,
        models=settings.models,
        batches=batches,
    )


def _terms(settings: BedrockSettings) -> Terms:
    vpc = settings.vpc
    return Terms(
        role=settings.role_arn,
        hours=settings.job_hours,
        subnets=() if vpc is None else vpc.subnets,
        security_groups=() if vpc is None else vpc.security_groups,
        tags=settings.tags,
    )


def _identity(settings: BedrockSettings) -> Identity:
    key, secret, token = settings.access_key_id, settings.secret_access_key, settings.session_token
    keys = None
    if key is not None and secret is not None:
        keys = Keys(
            access_key=key,
            secret=secret.get_secret_value(),
            token=None if token is None else token.get_secret_value(),
        )
    return Identity(
        keys=keys,
        profile=settings.profile,
        role=settings.assume_role_arn,
        external_id=settings.external_id,
        sts_url=settings.sts_url,
    )
