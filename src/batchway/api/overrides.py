"""The `x-tfy-*` headers, TrueFoundry's way to choose and tune a provider.

Owns their names and their checks: below the API they are `Overrides`. Does not own what an override
means to a provider. Shapes are checked here and not by each provider because some of these become
part of an address there.
Source: truefoundry.com/docs/api-reference/batch/get-batch.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from batchway.api.parameters import kind_of
from batchway.domain.cloud_names import GCS_BUCKET, S3_BUCKET, VERTEX_REGION
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.service.commands import Elsewhere

PROVIDER_HEADER: Final = "x-tfy-provider-name"
METADATA_HEADER: Final = "x-tfy-metadata"
HEADER_PREFIX: Final = "x-tfy-"


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideHeader:
    """A documented header: what it sets, its shape as a regular expression and in words.

    `field` is the field of `Overrides` that it becomes.
    """

    name: str
    field: str
    sets: str
    pattern: str
    shape: str


_MODEL: Final = r"[!-~]{1,512}"
_MODEL_SHAPE: Final = "1 to 512 printable ASCII characters without spaces"
OVERRIDE_HEADERS: Final = (
    OverrideHeader(
        name="x-tfy-provider-model",
        field="model",
        sets="The model at the provider, in place of what the lines name.",
        pattern=_MODEL,
        shape=_MODEL_SHAPE,
    ),
    OverrideHeader(
        name="x-tfy-azure-api-version",
        field="azure_api_version",
        sets="The API version, on Azure OpenAI.",
        pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|v1|preview",
        shape="a version such as '2024-10-21', '2025-04-01-preview', 'v1' or 'preview'",
    ),
    OverrideHeader(
        name="x-tfy-vertex-storage-bucket-name",
        field="vertex_bucket",
        sets="The Cloud Storage bucket, on Vertex AI; no other provider reads it.",
        pattern=GCS_BUCKET,
        shape="the name of a bucket, without gs:// and without a path",
    ),
    OverrideHeader(
        name="x-tfy-vertex-region",
        field="vertex_region",
        sets="The region, on Vertex AI; no other provider reads it.",
        pattern=VERTEX_REGION,
        shape="a region such as 'europe-west4', or 'global', 'us' or 'eu'",
    ),
    OverrideHeader(
        name="x-tfy-aws-s3-bucket",
        field="s3_bucket",
        sets="The bucket, on AWS Bedrock; no other provider reads it.",
        pattern=S3_BUCKET,
        shape="the name of a bucket, without s3:// and without a path",
    ),
    OverrideHeader(
        name="x-tfy-aws-bedrock-model",
        field="bedrock_model",
        sets="The model or inference profile, on AWS Bedrock; no other provider reads it.",
        pattern=_MODEL,
        shape=_MODEL_SHAPE,
    ),
)
_SHAPES: Final = {header.name: re.compile(header.pattern) for header in OVERRIDE_HEADERS}
_WORDS: Final = {header.name: header.shape for header in OVERRIDE_HEADERS}
_SEGMENT_ENDS: Final = re.compile(r"[/\\?#]|%2[fF]|%5[cC]")
_MOST: Final = 32
_LONGEST: Final = 4_096
_LONGEST_METADATA: Final = 16_384


def elsewhere(headers: Mapping[str, str]) -> Elsewhere | None:
    """Where a look-up may go on, by the headers; `None` where they name no provider."""
    provider = headers.get(PROVIDER_HEADER)
    if provider is None:
        return None
    try:
        return Elsewhere(provider=provider, overrides=read_overrides(headers))
    except ApiError as error:
        return Elsewhere(provider=provider, overrides=error)


def given_overrides(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that override something, those that nobody documents among them, unchecked."""
    return {
        name: value
        for name, value in headers.items()
        if name.startswith(HEADER_PREFIX) and name not in {PROVIDER_HEADER, METADATA_HEADER}
    }


def read_overrides(headers: Mapping[str, str]) -> Overrides:
    """What the headers (by lower-case name) set in place of a provider's configuration.

    Those that TrueFoundry documents have their shape; others are checked as far as that goes for
    any, and mean nothing. Raises `ApiError`.
    """
    overrides = given_overrides(headers)
    if len(overrides) > _MOST:
        raise _bad(
            f"{HEADER_PREFIX}*", f"expected at most {_MOST} of them, but got {len(overrides)}."
        )
    for name, value in overrides.items():
        if len(value) > _LONGEST:
            raise _bad(name, f"expected at most {_LONGEST} characters, but got {len(value)}.")
        if not value.isprintable():
            raise _bad(name, "expected no control characters.")
        if {".", ".."} & set(_SEGMENT_ENDS.split(value)):
            # Where it becomes a part of a path, this would lead to another of the provider's.
            raise _bad(name, "expected no '.' or '..' between slashes.")
        shape = _SHAPES.get(name)
        if shape is not None and shape.fullmatch(value) is None:
            raise _bad(name, f"expected {_WORDS[name]}, but got '{value[:64]}'.")
    found = {
        header.field: overrides[header.name]
        for header in OVERRIDE_HEADERS
        if header.name in overrides
    }
    return Overrides(**found) if found else NO_OVERRIDES


def read_metadata(text: str) -> dict[str, str]:
    """The pairs of the metadata header, a JSON object of strings. Raises `ApiError`."""
    if len(text) > _LONGEST_METADATA:
        raise _bad(
            METADATA_HEADER, f"expected at most {_LONGEST_METADATA} characters, got {len(text)}."
        )
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(
            METADATA_HEADER, "expected a JSON object of strings, but got no JSON."
        ) from error
    if not isinstance(value, dict):
        raise _bad(
            METADATA_HEADER, f"expected a JSON object of strings, but got {kind_of(value)} instead."
        )
    pairs: dict[str, str] = {}
    for key, item in cast("dict[str, object]", value).items():
        if not isinstance(item, str):
            raise _bad(
                METADATA_HEADER,
                f"expected a string for '{key}', but got {kind_of(item)} instead.",
            )
        pairs[_encodable(key)] = _encodable(item)
    return pairs


def _encodable(text: str) -> str:
    # JSON can escape half a surrogate pair, which no database and no answer can carry.
    return text.encode("utf-8", "replace").decode("utf-8")


def _bad(header: str, reason: str) -> ApiError:
    return ApiError(ApiText.BAD_HEADER, param=header, reason=reason)
