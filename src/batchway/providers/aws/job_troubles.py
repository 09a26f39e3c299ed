"""What jobs of Bedrock's are refused or fail for: which trouble it is, and what to do about it.

Some of it comes as the answer to a creation, some as the message of a job that has failed, in words
that no page lists: they are known from other people's reports, and read by what they are about.
Owns these readings. What refuses any call to AWS (credentials, permissions, access to a model) is
`refusal`'s and `advice`'s. Pure.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from batchway.domain.remote import EnqueuedLimit
from batchway.providers.aws.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTrouble:
    """Of which kind a trouble is: `code` is ours, `advice` a clause, empty where there is none.

    `no_room`: the same lines are taken later; `unseen`: the input was not found; `mendable`: it is
    mended where the account was set up. `limit` is what a job may have, for one that has more: none
    as large is ever taken.
    """

    code: str
    advice: str = ""
    no_room: bool = False
    unseen: bool = False
    mendable: bool = False
    limit: EnqueuedLimit | None = None


_FEW: Final = re.compile(r"(?:less|fewer) records|required minimum", re.IGNORECASE)
_MANY: Final = re.compile(
    r"more records|larger than|exceeds the (?:maximum|allowed)|allowed maximum|"
    r"maximum (?:size|file)",
    re.IGNORECASE,
)
_MOST_RECORDS: Final = re.compile(
    r"more records[^.]{0,60}maximum (?:of|number)[^0-9]{0,20}([0-9][0-9,]{0,12})", re.IGNORECASE
)
_ROOM: Final = re.compile(
    r"in-progress and submitted|concurrent|throttl|too many (?:jobs|requests)", re.IGNORECASE
)
_NETWORK: Final = re.compile(r"\bvpc\b|subnet|security group", re.IGNORECASE)
_INVOKES: Final = re.compile(r"invoke ?model", re.IGNORECASE)
_ROLE: Final = re.compile(
    r"assume[^.]{0,40}\brole|\brole\b[^.]{0,60}(?:assumed|trust|not valid)|"
    r"trust (?:policy|relation)",
    re.IGNORECASE,
)
_BUCKET: Final = re.compile(r"\bbucket\b|\bs3|ListBucket", re.IGNORECASE)
_LISTED: Final = re.compile(r"validate ListBucket permission", re.IGNORECASE)
_NO_BUCKET: Final = re.compile(r"bucket[^.]{0,90}(?:does not|doesn't) exist|NoSuchBucket")
_DENIED: Final = re.compile(
    r"access denied|permission|not authorized|forbidden|\bkms\b|denied", re.IGNORECASE
)
_NO_INPUT: Final = re.compile(
    r"no objects?\b|NoSuchKey|(?:object|file|key|input)[^.]{0,90}(?:not found|does not exist)",
    re.IGNORECASE,
)
_REGION: Final = re.compile(r"\bregion\b", re.IGNORECASE)
_KEY: Final = re.compile(r"\bkms\b", re.IGNORECASE)
_UNKNOWN: Final = JobTrouble(code="job_failed")

# What a message is about, by the first pattern that it fits; what is about files comes after these.
_MEANINGS: Final = (
    (
        _FEW,
        JobTrouble(
            code="too_few_records",
            advice="send more lines in a batch, or let them run online (`mode: managed`)",
        ),
    ),
    (_ROOM, JobTrouble(code="no_room", no_room=True)),
    (
        _MANY,
        JobTrouble(
            code="too_large",
            advice="lower `native.max_lines` or `native.max_bytes` to what the quotas of the "
            "account allow (Service Quotas)",
        ),
    ),
    (
        _NETWORK,
        JobTrouble(
            code="network_unusable",
            advice="check `vpc`: its subnets and security groups must be in the job's region and "
            "reach S3, and the role `role_arn` must be allowed to make network interfaces",
        ),
    ),
    (
        _INVOKES,
        JobTrouble(
            code="role_denied",
            mendable=True,
            advice="allow the role `role_arn` bedrock:InvokeModel on the model and, where an "
            "inference profile names it, on the profile and on the model in each of its regions",
        ),
    ),
    (
        _ROLE,
        JobTrouble(
            code="role_not_assumed",
            mendable=True,
            advice="check `role_arn`: the role must exist, and its trust policy must allow "
            "bedrock.amazonaws.com sts:AssumeRole, for this account (aws:SourceAccount) and its "
            "jobs (aws:SourceArn: arn:aws:bedrock:*:*:model-invocation-job/*)",
        ),
    ),
)


def trouble_of(message: str, place: Place) -> JobTrouble:
    """What a message of Bedrock's about a job is about."""
    for pattern, trouble in _MEANINGS:
        if pattern.search(message):
            return trouble if pattern is not _MANY else replace(trouble, limit=_limit(message))
    return _of_bucket(message, place) if _BUCKET.search(message) else _UNKNOWN


def _limit(message: str) -> EnqueuedLimit:
    """The most records of a job; without a number where it has too many bytes."""
    found = _MOST_RECORDS.search(message)
    return EnqueuedLimit(requests=None if found is None else int(found[1].replace(",", "")) or None)


def _of_bucket(message: str, place: Place) -> JobTrouble:
    bucket = f"'{place.bucket}'" if place.bucket is not None else "that it names"
    if _NO_BUCKET.search(message):
        return JobTrouble(
            code="no_such_bucket", advice=f"create the bucket {bucket}, or correct `bucket`"
        )
    if _DENIED.search(message):
        # That there is no such bucket, or that it is elsewhere, is told as one that is denied.
        where = f", and check that it is in '{place.region}'" if _LISTED.search(message) else ""
        key = (
            " and kms:Decrypt and kms:GenerateDataKey on the key that it is encrypted with"
            if place.kms_key is not None or _KEY.search(message)
            else ""
        )
        return JobTrouble(
            code="bucket_denied",
            mendable=True,
            advice="allow the role `role_arn`, which Bedrock reads and writes with, s3:GetObject, "
            f"s3:PutObject and s3:ListBucket on the bucket {bucket}{key}{where}",
        )
    if _NO_INPUT.search(message):
        return JobTrouble(code="no_input", unseen=True)
    if _REGION.search(message):
        return JobTrouble(
            code="bucket_in_another_region",
            advice=f"name a bucket in '{place.region}', or set `region` to that of the bucket",
        )
    return _UNKNOWN
