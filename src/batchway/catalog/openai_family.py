"""Providers that speak OpenAI's batch API, as data: one row each, and what differs.

    OPENAI, AZURE   what the two dialects of their own type take
    CATALOG         every other provider, by the `type` that a configuration names

Owns facts only; adding a provider is a row here and a line in its test. What any provider may do is
no quirk and is understood from all of them: times as numbers, milliseconds or ISO text, counters
that are null or stand at the top level, objects in an envelope, bare lists, empty ids, content
behind a redirect, the shapes of error rows, statuses in other case.

A row's `grade` says how good its facts are; limits that no source names take OpenAI's or a smaller
value, and `notes` says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from batchway.catalog.families import Grade
from batchway.domain.endpoint import Endpoint
from batchway.domain.remote import NativeTraits
from batchway.domain.status import BatchStatus

_CHAT: Final = Endpoint.CHAT_COMPLETIONS
_COMPLETIONS: Final = Endpoint.COMPLETIONS
_EMBEDDINGS: Final = Endpoint.EMBEDDINGS
_RESPONSES: Final = Endpoint.RESPONSES

_HOUR: Final = 3_600
_DAY: Final = 24 * _HOUR
_MB: Final = 1_000_000
_MIB: Final = 1 << 20


class LineShape(StrEnum):
    """What stands in a line of input beside `custom_id` and `body`."""

    FULL = "full"  # `method` and `url`, as OpenAI wants it
    BARE = "bare"  # nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How a provider's batch API differs from OpenAI's in what is asked of it.

    `upload`, `files` and `batches` are paths below the base address; `purpose` is the input
    file's. `endpoints` and `urls` spell an endpoint the provider's way, in the job and in a line.
    `statuses` maps its words (lower case) to OpenAI's where they differ. `extra` is sent with every
    creation. `windows` spells completion windows (seconds) other than as hours; `sends_window` is
    whether a creation names one at all. `keeps_metadata` is whether a job takes metadata and shows
    it again. `pages` is whether lists take `after` and `limit`; `page` is the `limit` to ask for.
    """

    upload: str = "/files"
    files: str = "/files"
    batches: str = "/batches"
    purpose: str = "batch"
    line: LineShape = LineShape.FULL
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])
    urls: Mapping[str, str] = field(default_factory=dict[str, str])
    statuses: Mapping[str, BatchStatus] = field(default_factory=dict[str, BatchStatus])
    extra: Mapping[str, str | bool] = field(default_factory=dict[str, "str | bool"])
    windows: Mapping[int, str] = field(default_factory=dict[int, str])
    sends_window: bool = True
    keeps_metadata: bool = True
    pages: bool = True
    page: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """One provider: `name` is its `type` in the configuration.

    `base_url` is the default address (it stands for OpenAI's `/v1`), `key_variable` the variable of
    the environment that usually holds its key. `source` is the page that the facts are from.
    """

    name: str
    title: str
    base_url: str
    key_variable: str
    source: str
    grade: Grade
    traits: NativeTraits
    quirks: Quirks = field(default_factory=Quirks)
    notes: tuple[str, ...] = ()


OPENAI: Final = CatalogEntry(
    name="openai",
    title="OpenAI",
    base_url="https://api.openai.com/v1",
    key_variable="OPENAI_API_KEY",
    source="https://platform.openai.com/docs/guides/batch",
    grade=Grade.RECORDED,
    traits=NativeTraits(
        endpoints=frozenset(Endpoint),
        max_lines=50_000,
        max_bytes=200 * _MIB,
        embedding_inputs=50_000,
    ),
    notes=(
        "The tokens that may be enqueued differ by organization and model; a job that finds no "
        "room waits, and one that is larger than all of it is cut into smaller ones.",
        "Jobs of embeddings hold at most 50,000 inputs over all lines.",
    ),
)

AZURE: Final = CatalogEntry(
    name="azure-openai",
    title="Azure OpenAI",
    base_url="",
    key_variable="AZURE_OPENAI_API_KEY",
    source="https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch",
    grade=Grade.DOCUMENTED,
    traits=NativeTraits(
        endpoints=frozenset({_CHAT, _RESPONSES}),
        max_lines=100_000,
        max_bytes=200 * _MB,
    ),
    quirks=Quirks(
        # Also for lines of responses: the service looks at the lines to tell the two apart.
        endpoints=MappingProxyType({_CHAT: _CHAT.path, _RESPONSES: _CHAT.path}),
        urls=MappingProxyType({_CHAT: _CHAT.path, _RESPONSES: _RESPONSES.value}),
    ),
    notes=(
        "Models are names of deployments of a batch type.",
        "Jobs are not ended after 24 hours by the service; Batchway cancels them.",
        "The tokens that may be enqueued differ by deployment; a job that finds no room waits.",
    ),
)


def _rows(*entries: CatalogEntry) -> Mapping[str, CatalogEntry]:
    return MappingProxyType({entry.name: entry for entry in entries})


CATALOG: Final[Mapping[str, CatalogEntry]] = _rows(
    CatalogEntry(
        name="groq",
        title="Groq",
        base_url="https://api.groq.com/openai/v1",
        key_variable="GROQ_API_KEY",
        source="https://console.groq.com/docs/batch",
        grade=Grade.DOCUMENTED,
        traits=NativeTraits(
            endpoints=frozenset({_CHAT}),
            max_lines=50_000,
            max_bytes=100 * _MB,
            windows=(_DAY, 7 * _DAY),
        ),
        quirks=Quirks(windows=MappingProxyType({7 * _DAY: "7d"})),
        notes=("Windows from 24 hours to 7 days.",),
    ),
    CatalogEntry(
        name="together",
        title="Together AI",
        base_url="https://api.together.ai/v1",
        key_variable="TOGETHER_API_KEY",
        source="https://docs.together.ai/docs/batch-inference",
        grade=Grade.RECORDED,
        traits=NativeTraits(
            endpoints=frozenset({_CHAT}), max_lines=50_000, max_bytes=100 * _MB, windows=(_DAY,)
        ),
        quirks=Quirks(
            upload="/files/upload",
            purpose="batch-api",
            line=LineShape.BARE,
            statuses=MappingProxyType({"canceling": BatchStatus.CANCELLING}),
            keeps_metadata=False,
            pages=False,
        ),
        notes=(
            "Jobs carry no metadata and no counters; they are found by the name of their input.",
            "Lists come whole, without pages.",
        ),
    ),
    CatalogEntry(
        name="deepinfra",
        title="DeepInfra",
        base_url="https://api.deepinfra.com/v1/openai",
        key_variable="DEEPINFRA_API_KEY",
        source="https://docs.deepinfra.com/batch/introduction",
        grade=Grade.RECORDED,
        traits=NativeTraits(
            endpoints=frozenset({_CHAT, _COMPLETIONS, _EMBEDDINGS}),
            max_lines=50_000,
            max_bytes=200 * _MB,
        ),
        notes=("Its reference lists no embeddings among the endpoints; its guide does.",),
    ),
    CatalogEntry(
        name="parasail",
        title="Parasail",
        base_url="https://api.parasail.io/v1",
        key_variable="PARASAIL_API_KEY",
        source="https://docs.parasail.io",
        grade=Grade.RECORDED,
        traits=NativeTraits(
            endpoints=frozenset({_CHAT, _EMBEDDINGS}), max_lines=50_000, max_bytes=1_000 * _MB
        ),
        notes=("Downloads are redirected to storage that does not get the key.",),
    ),
    CatalogEntry(
        name="nebius",
        title="Nebius Token Factory",
        base_url="https://api.tokenfactory.nebius.com/v1",
        key_variable="NEBIUS_API_KEY",
        source="https://docs.tokenfactory.nebius.com/ai-models-inference/batch-inference",
        grade=Grade.DOCUMENTED,
        traits=NativeTraits(
            endpoints=frozenset({_CHAT, _EMBEDDINGS}),
            max_lines=5_000_000,
            max_bytes=10_000 * _MB,
        ),
        notes=("At most 500 batches at a time.",),
    ),
    CatalogEntry(
        name="doubleword",
        title="Doubleword",
        base_url="https://api.doubleword.ai/v1",
        key_variable="DOUBLEWORD_API_KEY",
        source="https://docs.doubleword.ai/batches/jsonl-files",
        grade=Grade.REPORTED,
        traits=NativeTraits(
            endpoints=frozenset({_CHAT, _EMBEDDINGS, _RESPONSES}),
            max_lines=50_000,
            max_bytes=200 * _MB,
        ),
        notes=(
            "No source names a most of lines: OpenAI's 50,000 holds.",
            "A window of one hour existed once; only 24 hours are asked for.",
        ),
    ),
    CatalogEntry(
        name="novita",
        title="Novita AI",
        base_url="https://api.novita.ai/openai/v1",
        key_variable="NOVITA_API_KEY",
        source="https://novita.ai/docs/guides/llm-batch-api",
        grade=Grade.DOCUMENTED,
        traits=NativeTraits(
            endpoints=frozenset({_CHAT, _COMPLETIONS}),
            max_lines=50_000,
            max_bytes=100 * _MB,
            windows=(2 * _DAY,),
        ),
        quirks=Quirks(
            line=LineShape.BARE,
            statuses=MappingProxyType({"progress": BatchStatus.IN_PROGRESS}),
            keeps_metadata=False,
        ),
        notes=(
            "No source names a most of lines or bytes: 50,000 and 100 MB hold.",
            "Its reference says that 48 hours are the only window, some of its guides 24.",
            "Files are kept for 15 days.",
        ),
    ),
    CatalogEntry(
        name="siliconflow",
        title="SiliconFlow",
        base_url="https://api.siliconflow.cn/v1",
        key_variable="SILICONFLOW_API_KEY",
        source="https://docs.siliconflow.cn/cn/userguide/guides/batch",
        grade=Grade.DOCUMENTED,
        traits=NativeTraits(
            endpoints=frozenset({_CHAT}),
            max_lines=5_000,
            max_bytes=1_000 * _MB,
            windows=(_DAY, 14 * _DAY),
        ),
        quirks=Quirks(statuses=MappingProxyType({"in_queue": BatchStatus.VALIDATING})),
        notes=("Windows from 24 hours to 14 days.",),
    ),
    CatalogEntry(
        name="dashscope",
        title="Alibaba Cloud Model Studio (DashScope)",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        key_variable="DASHSCOPE_API_KEY",
        source="https://help.aliyun.com/en/model-studio/batch-interfaces-compatible-with-openai",
        grade=Grade.DOCUMENTED,
        traits=NativeTraits(
            endpoints=frozenset({_CHAT, _EMBEDDINGS}),
            max_lines=50_000,
            max_bytes=500 * _MB,
            windows=(_DAY, 14 * _DAY),
        ),
        notes=(
            "Singapore is https://dashscope-intl.aliyuncs.com/compatible-mode/v1.",
            "The model batch-test-model with its endpoint /v1/chat/ds-test costs nothing; it is a "
            "test of the account, not of Batchway.",
        ),
    ),
    CatalogEntry(
        name="zhipu",
        title="Zhipu AI (BigModel)",
        base_url="https://open.bigmodel.cn/api/paas/v4",
        key_variable="ZHIPU_API_KEY",
        source="https://docs.bigmodel.cn/cn/guide/tools/batch",
        grade=Grade.DOCUMENTED,
        traits=NativeTraits(endpoints=frozenset({_CHAT}), max_lines=50_000, max_bytes=100 * _MB),
        quirks=Quirks(
            endpoints=MappingProxyType({_CHAT: "/v4" + _CHAT.path}),
            urls=MappingProxyType({_CHAT: "/v4" + _CHAT.path}),
            extra=MappingProxyType({"auto_delete_input_file": False}),
            sends_window=False,
        ),
        notes=("Its guide shows lines of embeddings, its reference no such endpoint: not used.",),
    ),
)
