"""`POST /batches` as a typed command: its body and headers, read once.

Owns the form of the request and the order in which its mistakes are told. Does not own what is
meant by it: whether there is such a file or provider (`service.batches`).
"""

import re
from collections.abc import Mapping
from typing import Final

from batchway.api.asked import checked_key
from batchway.api.overrides import (
    METADATA_HEADER,
    PROVIDER_HEADER,
    given_overrides,
    read_metadata,
    read_overrides,
)
from batchway.api.parameters import Parameters, listed
from batchway.domain.batch import LONGEST_KEY, LONGEST_VALUE, MOST_PAIRS
from batchway.domain.endpoint import Endpoint, endpoint_of
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.idempotency import idempotency_key
from batchway.domain.window import DEFAULT_WINDOW, Window, window_of
from batchway.service.commands import NewBatch

_FILE_ID: Final = re.compile(r"file[\x21-\x7e]{0,255}")
_LONGEST_ID: Final = 2_048
_WINDOWS: Final = "'24h', and any whole minutes, hours or days from '1m' to '30d'"


def read_new_batch(
    body: Mapping[str, object],
    *,
    headers: Mapping[str, str],
    key: str | None,
    anywhere: bool,
) -> NewBatch:
    """The batch that a request asks for. Raises `ApiError`.

    `headers` are the `x-tfy-*` headers by lower-case name, `key` is the idempotency key. With
    `anywhere` the input file may be a provider's, whose id has any shape.
    """
    fields = Parameters(body)
    fields.require("input_file_id", "endpoint", "completion_window")
    input_file_id = _read_file_id(fields, anywhere=anywhere)
    given = fields.string("endpoint")
    endpoint = _read_endpoint(given)
    window = _read_window(fields)
    metadata = fields.maybe_string_map(
        "metadata", pairs=MOST_PAIRS, longest_key=LONGEST_KEY, longest_value=LONGEST_VALUE
    )
    expiry = fields.maybe_expiry("output_expires_after")
    job_name = fields.maybe_string("job_name", longest=512)
    overrides = read_overrides(headers)
    provider = headers.get(PROVIDER_HEADER)
    pairs = headers.get(METADATA_HEADER)
    tfy_metadata = None if pairs is None else read_metadata(pairs)
    return NewBatch(
        input_file_id=input_file_id,
        endpoint=endpoint,
        spelled=None if given == endpoint else given,
        window=window,
        metadata=metadata,
        output_expires_after=expiry,
        provider=provider,
        job_name=job_name,
        tfy_metadata=tfy_metadata,
        overrides=overrides,
        # Over what was sent, overrides that mean nothing among it.
        idempotency=idempotency_key(
            checked_key(key),
            "batch",
            [
                input_file_id,
                endpoint,
                window.text,
                metadata,
                None if expiry is None else expiry.seconds,
            ],
            [provider, job_name, tfy_metadata],
            given_overrides(headers),
        ),
    )


def _read_file_id(fields: Parameters, *, anywhere: bool) -> str:
    file_id = fields.string("input_file_id", longest=_LONGEST_ID)
    if anywhere and file_id and file_id.isprintable():
        return file_id
    if _FILE_ID.fullmatch(file_id) is None:
        raise ApiError(ApiText.MALFORMED_ID, param="input_file_id", given=file_id, prefix="file")
    return file_id


def _read_endpoint(given: str) -> Endpoint:
    endpoint = endpoint_of(given)
    if endpoint is None:
        supported = listed(tuple(Endpoint))
        raise ApiError(ApiText.WRONG_VALUE, param="endpoint", given=given, supported=supported)
    return endpoint


def _read_window(fields: Parameters) -> Window:
    # TrueFoundry's clients send null.
    text = DEFAULT_WINDOW
    if not fields.is_null("completion_window"):
        text = fields.string("completion_window")
    window = window_of(text)
    if window is None:
        raise ApiError(
            ApiText.WRONG_VALUE, param="completion_window", given=text, supported=_WINDOWS
        )
    return window
