"""The vendors as data: one row each, with the source of its facts.

Grades, as in the project's reference: [L] live traffic that somebody published, [D] the vendor's
documentation, [S] its specification or SDK, [C] a secondary source, [?] not known: ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MB: Final = 1_000_000
MIB: Final = 1 << 20
HOUR: Final = 3_600
DAY: Final = 24 * HOUR

CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
EMBEDDINGS: Final = "/v1/embeddings"
MODERATIONS: Final = "/v1/moderations"
RESPONSES: Final = "/v1/responses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """What differs between vendors and needs no code.

    `base` is the path below which the API lives, `further` other paths that serve it as well.
    `windows` is the shortest and the longest completion window in seconds; `None`: the parameter
    is not looked at. `pending_polls` is how many looks at a new file find it `pending`.
    `leftovers` says that lines which were not run have a row in the error file. `bare_lines` that
    lines may do without method and url. `redirects` that downloads are sent elsewhere.
    `error_file_always` that a clean job has an empty one. `statuses` are its words where they
    differ.
    """

    name: str
    base: str
    further: tuple[str, ...] = ()
    purpose: str = "batch"
    endpoints: tuple[str, ...] = (CHAT,)
    max_lines: int = 50_000
    max_bytes: int = 200 * MB
    windows: tuple[int, int] | None = (DAY, DAY)
    pending_polls: int = 0
    expires: bool = True
    metadata: bool = True
    leftovers: bool = True
    bare_lines: bool = False
    redirects: bool = False
    error_file_always: bool = False
    statuses: Mapping[str, str] | None = None


# [L][S] everything: openai-semantics.md, sections 1 to 3. 200 MB is 209,715,200 in messages.
OPENAI: Final = Vendor(
    name="openai",
    base="/v1",
    endpoints=(CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, MODERATIONS),
    max_bytes=200 * MIB,
)

# [D] MicrosoftDocs/azure-ai-docs, openai/how-to/batch and global-batch-limits: paths, 201, limits,
# ids, empty strings, no expiry, codes. [D] learn.microsoft.com/rest/api/azureopenai/files: 201 on
# upload (that of the dated paths; [?] on the others), 200 with a receipt on delete. [L] `pending`
# and its refusal: learn.microsoft.com/answers 2203029; `token_limit_exceeded`: 2285577; file ids:
# sureshpaulraj/aoai-batchapi-demo. [?] two polls; that lines which were not run have no rows.
AZURE: Final = Vendor(
    name="azure",
    base="/openai/v1",
    further=("/openai",),
    endpoints=("/chat/completions", CHAT, RESPONSES, "/responses"),
    max_lines=100_000,
    max_bytes=200 * MIB,
    pending_polls=2,
    expires=False,
    leftovers=False,
    error_file_always=True,
)

# [C] provider-protocols.md, section G: 24h to 7d, 100 MB, 50,000. [S] groq 1.7.0: paths and types.
# [D] console.groq.com/docs/batch: the form of a line. [?] ids.
GROQ: Final = Vendor(
    name="groq", base="/openai/v1", max_bytes=100 * MB, windows=(DAY, 7 * DAY), leftovers=False
)

# [D] docs.together.ai/docs/inference/batch: purpose batch-api, {custom_id, body}, statuses, a bare
# get, a separate error file, 50,000 and 100 MB. [S] together 3.1.1: `job`, bare array, ISO times,
# no metadata, /files with a 302 to a place to PUT to, then /preprocess. [C] section G of
# provider-protocols.md: /files/upload, CANCELING, 201, 403 without a User-Agent. [?] output rows.
TOGETHER: Final = Vendor(
    name="together",
    base="/v1",
    purpose="batch-api",
    max_bytes=100 * MB,
    metadata=False,
    leftovers=False,
    bare_lines=True,
    statuses={"cancelling": "CANCELING", "finalizing": "IN_PROGRESS"},
)

# [D] docs.deepinfra.com/batch: endpoints, ids file_..., batch_..., 24h, metadata.
# [C] provider-protocols.md, section G: request_counts null before validation, error rows with a
# code and no response, an error file always, `detail` in 401s, limits.
DEEPINFRA: Final = Vendor(
    name="deepinfra",
    base="/v1/openai",
    further=("/v1",),
    endpoints=(CHAT, COMPLETIONS, EMBEDDINGS),
    error_file_always=True,
)

# [C] provider-protocols.md, section G: 302 on content, expires_at null, 50,000 and 1,000 MB, a
# delete's receipt that is not to be relied on ([?] ours: `deleted` is false).
PARASAIL: Final = Vendor(
    name="parasail",
    base="/v1",
    endpoints=(CHAT, EMBEDDINGS),
    max_bytes=1_000 * MB,
    leftovers=False,
    redirects=True,
)

# [C] provider-protocols.md, section G: 5 million lines, 10 GB, OpenAI's shapes.
NEBIUS: Final = Vendor(
    name="nebius",
    base="/v1",
    endpoints=(CHAT, EMBEDDINGS),
    max_lines=5_000_000,
    max_bytes=10_000 * MB,
)

# [C] provider-protocols.md, section G: OpenAI's shapes, chat, embeddings and responses, 24h, and 1h
# historically. [?] limits.
DOUBLEWORD: Final = Vendor(
    name="doubleword",
    base="/v1",
    endpoints=(CHAT, EMBEDDINGS, RESPONSES),
    windows=(HOUR, DAY),
)

# [D] novita.ai/docs/guides/llm-batch-api and its API reference: states, ISO times, counters on the
# top level beside request_counts, ids that are empty until there are files, lines without method
# and url, a window fixed at 48h, `errors` a string, metadata.total_requests in files. [?] limits,
# the envelope of errors, that metadata given at creation is not kept.
NOVITA: Final = Vendor(
    name="novita",
    base="/openai/v1",
    endpoints=(CHAT, COMPLETIONS),
    windows=(2 * DAY, 2 * DAY),
    metadata=False,
    leftovers=False,
    bare_lines=True,
    statuses={"in_progress": "PROGRESS", "finalizing": "PROGRESS"},
)

# [D] docs.siliconflow.cn/cn/api-reference/batch: `in_queue` first, request_counts null, uploads
# wrapped in {code, message, status, data} with createdAt, 24h to 336h. [C] provider-protocols.md,
# section G: 5,000 lines and 1 GB. [?] the wrapping of other files, the envelope of errors.
SILICONFLOW: Final = Vendor(
    name="siliconflow",
    base="/v1",
    max_lines=5_000,
    max_bytes=1_000 * MB,
    windows=(DAY, 14 * DAY),
    leftovers=False,
    statuses={"validating": "in_queue"},
)

# [D] alibabacloud.com/help/en/model-studio/batch-interfaces-compatible-with-openai: OpenAI's shapes
# and errors, batch-test-model on /v1/chat/ds-test. [C] provider-protocols.md, section G: 24h to 14
# days. [?] limits, ids.
DASHSCOPE: Final = Vendor(
    name="dashscope",
    base="/compatible-mode/v1",
    endpoints=(CHAT, EMBEDDINGS, "/v1/chat/ds-test"),
    max_bytes=500 * MB,
    windows=(DAY, 14 * DAY),
)

# [D] docs.bigmodel.cn, batches and their guide: /v4/chat/completions, no window asked for,
# auto_delete_input_file true, 50,000 lines and 100 MB, counters on the top level. [?] ids, errors.
ZHIPU: Final = Vendor(
    name="zhipu",
    base="/api/paas/v4",
    endpoints=("/v4/chat/completions",),
    max_bytes=100 * MB,
    windows=None,
    leftovers=False,
)

VENDORS: Final = {
    vendor.name: vendor
    for vendor in (
        OPENAI,
        AZURE,
        GROQ,
        TOGETHER,
        DEEPINFRA,
        PARASAIL,
        NEBIUS,
        DOUBLEWORD,
        NOVITA,
        SILICONFLOW,
        DASHSCOPE,
        ZHIPU,
    )
}
