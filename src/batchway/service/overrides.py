"""The `x-tfy-*` headers of a batch's creation, TrueFoundry's way to choose and tune a provider.

Owns their checks. Does not own what an override means to a provider.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from batchway.domain.batch import BatchOptions
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.keys import Principal
from batchway.service.parameters import kind_of

PROVIDER_HEADER: Final = "x-tfy-provider-name"
METADATA_HEADER: Final = "x-tfy-metadata"
_PREFIX: Final = "x-tfy-"
_MOST: Final = 32
_LONGEST: Final = 4_096
_LONGEST_METADATA: Final = 16_384


def read_options(
    headers: Mapping[str, str],
    *,
    job_name: str | None,
    principal: Principal,
    providers: Sequence[str],
) -> BatchOptions:
    """What the headers (by lower-case name) ask for. Raises `ApiError`."""
    overrides = {
        name: value
        for name, value in headers.items()
        if name.startswith(_PREFIX) and name not in {PROVIDER_HEADER, METADATA_HEADER}
    }
    if len(overrides) > _MOST:
        raise _bad(f"{_PREFIX}*", f"expected at most {_MOST} of them, but got {len(overrides)}.")
    for name, value in overrides.items():
        if len(value) > _LONGEST:
            raise _bad(name, f"expected at most {_LONGEST} characters, but got {len(value)}.")
    metadata = headers.get(METADATA_HEADER)
    return BatchOptions(
        provider=_read_provider(headers.get(PROVIDER_HEADER), principal, providers),
        job_name=job_name,
        tfy_metadata=None if metadata is None else _read_metadata(metadata),
        overrides=overrides,
        allowed_providers=principal.providers,
    )


def _read_provider(name: str | None, principal: Principal, providers: Sequence[str]) -> str | None:
    if name is None:
        return None
    if name not in providers:
        # A key that may use few providers does not get to read the names of the others.
        usable = [f"'{provider}'" for provider in providers if principal.may_use(provider)]
        raise ApiError(
            ApiText.UNKNOWN_PROVIDER, provider=name, configured=", ".join(usable) or "none"
        )
    if not principal.may_use(name):
        raise ApiError(ApiText.PROVIDER_FORBIDDEN, provider=name)
    return name


def _read_metadata(text: str) -> dict[str, str]:
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
