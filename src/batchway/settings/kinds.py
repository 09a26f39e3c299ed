"""Kinds of values that settings take: names, secrets, addresses, sizes.

Owns what each kind accepts; validators raise the words that `problems` makes a sentence of. Does
not own which setting has which kind (`schema`).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from batchway.domain.cloud_names import AWS_REGION, GCS_BUCKET, S3_BUCKET, VERTEX_REGION

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]i?)?B?", re.IGNORECASE)
# Old projects have their domain before a colon.
_PROJECT: Final = re.compile(r"(?:[a-z0-9.-]{1,60}:)?[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(VERTEX_REGION)
_BUCKET: Final = re.compile(GCS_BUCKET)
_S3_BUCKET: Final = re.compile(S3_BUCKET)
_AWS_REGION: Final = re.compile(AWS_REGION)
_ROLE: Final = re.compile(r"arn:aws[a-z-]{0,20}:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_AWS_ACCOUNT: Final = re.compile(r"[0-9]{12}", re.ASCII)
# As botocore's model of Bedrock has them, which AWS's own clients check by.
_AWS_WORD: Final = re.compile(r"\w{1,128}", re.ASCII)
_AWS_TAG: Final = re.compile(r"[a-zA-Z0-9 ._:/=+@-]{0,256}")
_OF_TAGS: Final = "letters, digits, spaces and . _ : / = + @ -"
_OBJECT: Final = re.compile(r"[A-Za-z0-9._/-]{1,200}")
_MOST_NAME: Final = 1_024  # bytes of an object's name
WILD: Final = frozenset("*?[")  # what makes a pattern of a name
_UNITS: Final = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}


def _no_bool(value: object) -> object:
    # YAML's `yes` is a boolean, and Python's booleans are integers: `port: yes` would mean port 1.
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic collects ValueError only
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be 1 to 64 letters, digits, dots, underscores or hyphens")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    return value


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text:
        raise ValueError("must not be empty")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be printable ASCII without spaces or line breaks")
    return value


def _header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise ValueError("must be printable ASCII without line breaks")
    return value


def _header_name(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise ValueError("is not a header name")
    if value.lower() in {"content-length", "host", "transfer-encoding", "connection"}:
        raise ValueError("is a header that Batchway sets itself")
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("must be a URL such as https://api.example.com/v1")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password")
    if parts.query or parts.fragment or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError("must be a URL without spaces, '?' or '#'")
    return value.rstrip("/")


def parse_size(value: object) -> object:
    """Bytes of a size such as `64MiB`, `2 GB` or `1000`."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            raise ValueError("must be a size such as 64MiB or 2GiB")
        return int(float(match[1]) * _UNITS[(match[2] or "").lower()])
    return _no_bool(value)


def _project(value: str) -> str:
    if not _PROJECT.fullmatch(value):
        raise ValueError("must be the id or the number of a project, such as 'my-project-123'")
    return value


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        raise ValueError("must be a region such as 'europe-west4', or 'global', 'us' or 'eu'")
    return value


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value):
        raise ValueError("must be the name of a bucket, without gs:// and without a path")
    return value


def _aws_region(value: str) -> str:
    if not _AWS_REGION.fullmatch(value):
        raise ValueError("must be a region such as 'us-east-1'")
    return value


def _s3_bucket(value: str) -> str:
    if not _S3_BUCKET.fullmatch(value):
        raise ValueError("must be the name of a bucket, without s3:// and without a path")
    return value


def _s3_folder(value: str) -> str:
    bucket, _, name = value.removeprefix("s3://").partition("/")
    whole = value.startswith("s3://") and value.endswith("/") and value.isprintable()
    if not whole or not _S3_BUCKET.fullmatch(bucket) or len(name.encode()) > _MOST_NAME:
        raise ValueError("must be an address such as s3://bucket/prefix/, with '/' at its end")
    return value


def _role(value: str) -> str:
    if not _ROLE.fullmatch(value):
        raise ValueError("must be the ARN of a role, such as arn:aws:iam::123456789012:role/name")
    return value


def _aws_account(value: str) -> str:
    if not _AWS_ACCOUNT.fullmatch(value):
        raise ValueError("must be the twelve digits of an account; put them in quotes")
    return value


def _access_key(value: str) -> str:
    # It stands in a header of every request, between slashes.
    if not _AWS_WORD.fullmatch(value):
        raise ValueError("must be an access key's id: letters and digits, such as AKIA...")
    return value


def _tag_key(value: str) -> str:
    if not _AWS_TAG.fullmatch(value) or not 0 < len(value) <= 128 or value.startswith("aws:"):
        raise ValueError(f"must be 1 to 128 {_OF_TAGS}, and not begin with aws:")
    return value


def _tag_value(value: str) -> str:
    if not _AWS_TAG.fullmatch(value):
        raise ValueError(f"must be up to 256 {_OF_TAGS}")
    return value


def _prefix(value: str) -> str:
    parts = value.split("/")
    if not _OBJECT.fullmatch(value) or not all(parts) or {".", ".."} & set(parts):
        raise ValueError("must be names of letters, digits, '.', '_' and '-', with '/' between")
    return value


def _folder(value: str) -> str:
    bucket, _, name = value.removeprefix("gs://").partition("/")
    whole = value.startswith("gs://") and value.endswith("/") and value.isprintable()
    if not whole or not _BUCKET.fullmatch(bucket) or len(name.encode()) > _MOST_NAME:
        raise ValueError("must be an address such as gs://bucket/prefix/, with '/' at its end")
    return value


def _file(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("must not hold a NUL character")
    return value


def _database(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not url.isprintable():
        raise ValueError("must not hold control characters")
    if url.startswith("sqlite:///") and not url.endswith((":", "/")):
        if any(mark in url for mark in "?#") or ":memory:" in url:
            raise ValueError("must name a file, without '?' or '#'")
        return value
    if re.match(r"postgres(ql)?://.", url):
        try:
            urlsplit(url).port  # noqa: B018 - read for the error that it raises
        except ValueError:
            raise ValueError("must have a number for its port") from None
        return value
    raise ValueError("must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE")


def _blobs(value: str) -> str:
    if "://" in value:
        raise ValueError("must be a directory; object stores are not supported yet")
    return _text(value)


Int = Annotated[int, BeforeValidator(_no_bool)]
Float = Annotated[float, BeforeValidator(_no_bool)]
Positive = Annotated[int, BeforeValidator(_no_bool), Field(ge=1)]
Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, AfterValidator(_text)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
Url = Annotated[str, AfterValidator(_url)]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=1)]
Headers = Mapping[
    Annotated[str, AfterValidator(_header_name)],
    Annotated[SecretStr, AfterValidator(_header_value)],
]
Project = Annotated[str, AfterValidator(_project)]
Region = Annotated[str, AfterValidator(_region)]
Bucket = Annotated[str, AfterValidator(_bucket)]
ObjectFolder = Annotated[str, AfterValidator(_folder)]
ObjectPrefix = Annotated[str, AfterValidator(_prefix)]
AwsRegion = Annotated[str, AfterValidator(_aws_region)]
AwsAccount = Annotated[str, AfterValidator(_aws_account)]
AwsAccessKey = Annotated[str, AfterValidator(_access_key)]
AwsTagKey = Annotated[str, AfterValidator(_tag_key)]
AwsTagValue = Annotated[str, AfterValidator(_tag_value)]
Role = Annotated[str, AfterValidator(_role)]
S3Bucket = Annotated[str, AfterValidator(_s3_bucket)]
S3Folder = Annotated[str, AfterValidator(_s3_folder)]
File = Annotated[Path, AfterValidator(_file)]
Database = Annotated[SecretStr, AfterValidator(_database)]
Directory = Annotated[str, AfterValidator(_blobs)]
