"""S3 as the wing of buckets sees it: connections, credentials, errors, where a bucket is.

    HEAD bucket   its region, also where a look at it is refused
    anything else by obstore (the `aws` extra)

Owns the stores of obstore and the words of S3. Bytes are `buckets.transfer`'s. What obstore is not
told it takes from the environment (`AWS_ENDPOINT_URL_S3` beats an address that is given): so it is
told everything that decides where a request goes, and as whom.
Sources: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and API_HeadBucket.html
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from batchway.domain.cloud_names import S3_BUCKET
from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Clock, Refused
from batchway.providers.aws.advice import CREDENTIALS, Called, advice_on
from batchway.providers.aws.credentials import Credentials, Keys
from batchway.providers.aws.discretion import discreet
from batchway.providers.aws.place import Place
from batchway.providers.aws.refusal import is_of_ended_keys
from batchway.providers.buckets.addresses import Names
from batchway.providers.buckets.calls import Calls, ReadStoreRefusal, Refusal
from batchway.providers.buckets.checksums import ETAGS
from batchway.providers.buckets.objects import StoreObjects, no_such_bucket
from batchway.providers.http.secrets import SentSecrets
from batchway.providers.http.session import RemoteHttp, Timeouts
from batchway.providers.http.trouble import Said

if TYPE_CHECKING:
    from obstore.store import S3Store

S3: Final = Names(scheme="s3", bucket=S3_BUCKET)
TITLE: Final = "S3"
MISSING_EXTRA: Final = "S3 needs the package obstore: install `batchway[aws]`"

_RETRIES: Final = 3
_RETRY_SECONDS: Final = 30.0
# Keys that others may replace are asked for again as often as those that botocore finds.
_MOST_SECONDS: Final = 360.0
_OWNER: Final = "x-amz-expected-bucket-owner"
_REGION: Final = "x-amz-bucket-region"

# S3's names of what other services of AWS call otherwise.
_KINDS: Final = {
    "AuthorizationHeaderMalformed": "IncompleteSignature",
    "InvalidAccessKeyId": "InvalidClientTokenId",
    "InvalidToken": "UnrecognizedClient",
}
_ELSEWHERE: Final = frozenset({"IllegalLocationConstraintException", "PermanentRedirect"})


class S3Storage:
    """`buckets.calls.Service` at a place.

    Raises:
        ValueError: obstore is not installed.
    """

    def __init__(
        self, *, place: Place, credentials: Credentials, clock: Clock, timeouts: Timeouts
    ) -> None:
        if find_spec("obstore") is None:
            raise ValueError(MISSING_EXTRA)
        self.title = TITLE
        self.checksums = ETAGS
        self._place = place
        self._credentials = credentials
        self._clock = clock
        self._timeouts = timeouts
        self._sent = SentSecrets()

    def connect(self, bucket: str) -> "S3Store":
        """See `buckets.calls.Service`."""
        from obstore.store import S3Store  # noqa: PLC0415 - an extra

        place, timeouts = self._place, self._timeouts
        config: dict[str, Any] = {
            "aws_endpoint_url_s3": place.storage,
            "endpoint": place.storage,
            "region": place.region,
            "virtual_hosted_style_request": False,
            "skip_signature": False,
            "unsigned_payload": False,
            "s3_express": False,
            "request_payer": False,
        }
        if place.kms_key is not None:
            config |= {"server_side_encryption": "aws:kms", "sse_kms_key_id": place.kms_key}
        return S3Store(
            bucket,
            config=config,  # pyright: ignore[reportArgumentType] - its stubs lack some of these
            credential_provider=self._credential,
            client_options={
                "allow_http": place.storage.startswith("http://"),
                "connect_timeout": timedelta(seconds=timeouts.connect),
                "timeout": timedelta(seconds=timeouts.idle),
                "default_headers": owner_of(place),
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=min(_RETRY_SECONDS, timeouts.idle)),
            },
        )

    async def ready(self) -> None:
        """Keys that are not to be had tell so in their own words."""
        await self._credentials.current()

    def secrets(self) -> Collection[str]:
        """Those of late requests."""
        return self._sent.all()

    def _credential(self) -> Any:
        """What obstore asks for when it has no keys, or such that end soon; in a thread."""
        keys = self._credentials.wait()
        self._sent.keep(*filter(None, (keys.secret, keys.token)))
        until = min(keys.until, self._clock.now() + _MOST_SECONDS)
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret,
            "token": keys.token,
            "expires_at": datetime.fromtimestamp(until, UTC),
        }


class S3Objects(StoreObjects):
    """`buckets.objects.Objects` in S3."""

    def __init__(
        self, calls: Calls, *, http: RemoteHttp, credentials: Credentials, place: Place
    ) -> None:
        super().__init__(calls)
        self._http = http
        self._credentials = credentials
        self._place = place

    async def location(self, bucket: str) -> str | None:
        """See `Objects`. Raises `RemoteError` also where results could not be listed there."""
        url = f"{self._place.storage}/{bucket}"
        keys = await self._credentials.current()
        status, told = await self._http.head(
            url,
            headers=_signed(url, keys, region=self._place.region, headers=owner_of(self._place)),
        )
        if status == 404:
            error = RemoteError(Trouble.NOT_FOUND, "", status=status)
            raise no_such_bucket(self._calls.provider, bucket, title=TITLE, error=error)
        region = told.get(_REGION)
        if region in {None, self._place.region}:
            async with aclosing(self.below(S3.at(bucket, f"{self._place.prefix}/"))) as found:
                await anext(found, None)
        return None if region is None else region.lower()


def reaches(location: str, region: str) -> bool:
    """Whether jobs in a region can use a bucket at a location: of their own region alone."""
    return location == region


def owner_of(place: Place) -> dict[str, str]:
    """The header that says whose a bucket has to be."""
    return {} if place.bucket_owner is None else {_OWNER: place.bucket_owner}


def storage_refusals_at(place: Place, *, ended: Callable[[], None]) -> ReadStoreRefusal:
    """What reads S3's errors; `ended` is called for keys that are such no more."""

    def read(bucket: str, refusal: Refusal) -> Said:
        kind = _KINDS.get(refusal.code, refusal.code)
        if kind in _ELSEWHERE:
            region = refusal.fields.get("Region") or place.region
            return Said(
                message=f"The bucket '{bucket}' is not in '{place.region}': name one that is, or "
                f"set `region` to that of the bucket (S3 says: {region}).",
                code="bucket_in_another_region",
                trouble=Trouble.REFUSED,
                advised=True,
            )
        refused = Refused(
            status=refusal.status,
            code=kind,
            kind=kind,
            message=refusal.message,
            of_account=kind in CREDENTIALS,
            body=b"",
        )
        if is_of_ended_keys(refused):
            ended()
        words = discreet(refusal.message, bucket)
        advice, trouble = "", None
        if refused.of_account:
            advice, trouble = advice_on(refused, Called(place=place)), Trouble.DENIED
        elif refusal.status == 403:
            advice, trouble = _of_permission(refusal.message, bucket, place), Trouble.DENIED
        elif kind.startswith("KMS."):
            advice, trouble = "check `kms_key`, and the key that the bucket encrypts with", None
        if advice:
            words = f"{words.rstrip('. ') or 'S3 refuses this'}. To mend it: {advice}."
        return Said(message=words, code=kind or None, trouble=trouble, advised=bool(advice))

    return read


def _of_permission(message: str, bucket: str, place: Place) -> str:
    if "kms:" in message:
        return (
            "allow these credentials kms:GenerateDataKey and kms:Decrypt on the key that encrypts "
            f"the bucket '{bucket}'"
        )
    owner = (
        ""
        if place.bucket_owner is None
        else f", and check that it belongs to the account {place.bucket_owner} (`bucket_owner`)"
    )
    # Without s3:ListBucket, S3 says so also of an object that is not there.
    return (
        "allow these credentials s3:PutObject, s3:GetObject and s3:DeleteObject on the objects of "
        f"the bucket '{bucket}' and s3:ListBucket on the bucket itself{owner}"
    )


def _signed(url: str, keys: Keys, *, region: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a HEAD, signed as S3 wants it."""
    from botocore import auth, awsrequest, credentials  # noqa: PLC0415 - an extra

    request = awsrequest.AWSRequest(method="HEAD", url=url, headers=dict(headers))
    own = credentials.Credentials(keys.access_key, keys.secret, keys.token)
    auth.S3SigV4Auth(own, "s3", region).add_auth(request)
    return dict(request.headers.items())
