"""What is known of every dialect's wire: lines that it can say, answers and errors as they come.

`test_dialects` holds every dialect against `ports.Dialect` with these.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.tiny_dialect import TinyDialect
from tests.toy.dialect import ToyDialect

from batchway.dialects.anthropic.dialect import BEDROCK, AnthropicDialect
from batchway.dialects.cohere.dialect import CohereEmbeddingsDialect
from batchway.dialects.converse.dialect import ConverseDialect, NovaDialect
from batchway.dialects.deepseek.dialect import DeepSeekDialect
from batchway.dialects.gemini.dialect import GeminiDialect
from batchway.dialects.gemini.embeddings import GeminiEmbeddingsDialect
from batchway.dialects.gemini.text_embeddings import TextEmbeddingsDialect
from batchway.dialects.llama.dialect import LlamaDialect
from batchway.dialects.mistral.chat_dialect import MistralChatDialect
from batchway.dialects.mistral.prompt_dialect import MistralPromptDialect
from batchway.dialects.nova_embeddings.dialect import NovaEmbeddingsDialect
from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.open_dialect import OpenModelDialect
from batchway.dialects.responses.dialect import ResponsesDialect
from batchway.dialects.titan.dialect import TitanEmbeddingsDialect
from batchway.domain.batch import Usage
from batchway.domain.call import Call
from batchway.ports import Dialect
from batchway.providers.google.advice import refusals_at
from batchway.providers.google.place import Place
from batchway.providers.http.advising import AdvisingDialect

MODEL = "upstream/model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One dialect, bound to one endpoint.

    `lines` are OpenAI bodies that name `mine`, with how many requests each becomes; `unsaid` those
    that cannot be said, with the parameter in the way; `answers` what the upstream answers to one
    request, with what was used; `errors` 2xx bodies that are errors, with the status they stand
    for; `of_account` bodies of errors that tell of the account.
    """

    new: Callable[[], Dialect]
    lines: Mapping[bytes, int]
    answers: Mapping[bytes, Usage]
    errors: Mapping[bytes, int]
    of_account: tuple[bytes, ...]
    unsaid: Mapping[bytes, str] = field(default_factory=dict[bytes, str])


def _openai(endpoint: str) -> Callable[[], Dialect]:
    return lambda: OpenAIDialect(endpoint=endpoint, model=MODEL)


_OPENAI_ERRORS = {
    b'{"error":{"code":429,"message":"slow down"}}': 429,
    b'{"error":{"code":"model_overloaded","message":"later"}}': 503,
    b'{"object":"error","message":"too long","code":400}': 400,
    b'{"choices":[]}': 502,
}
_OPENAI_OF_ACCOUNT = (
    b'{"error":{"code":"insufficient_quota","message":"m"}}',
    b'{"error":{"code":"invalid_api_key","message":"m"}}',
    b'{"error":{"message":"Your credit balance is too low"}}',
)
_TOY_ERRORS = {
    b'{"oops":"busy","tell":"later"}': 503,
    b'{"oops":"slow"}': 429,
    b'{"oops":"no such word"}': 500,
    b'{"said":7}': 502,
    b"{}": 502,
}
_TOY_OF_ACCOUNT = (b'{"oops":"stranger","tell":"who?"}', b'{"oops":"broke"}')
_GOOGLE_ERRORS = {
    b'{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}': 429,
    b'{"error":{"code":400,"message":"Bad","status":"INVALID_ARGUMENT"}}': 400,
    b"{}": 502,
}
_GOOGLE_OF_ACCOUNT = (
    b'{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED","details":[{"reason":'
    b'"SERVICE_DISABLED"}]}}',
    b'{"error":{"code":401,"message":"who?","status":"UNAUTHENTICATED"}}',
    b'{"error":{"code":403,"message":"This API method requires billing to be enabled.",'
    b'"status":"PERMISSION_DENIED","details":[{"reason":"BILLING_DISABLED"}]}}',
)
_CHATS = {
    b'{"model":"mine","messages":[{"role":"user","content":"hi"}]}': 1,
    b'{"model":"mine","messages":[{"role":"system","content":"b"},{"role":"user","content":"a"}],'
    b'"max_tokens":9,"temperature":0}': 1,
}
# Name, dialect, requests of a line with two texts, an answer and its usage.
_BEDROCK_EMBEDDINGS: Final[tuple[tuple[str, Callable[[], Dialect], int, bytes, Usage], ...]] = (
    (
        "titan-embeddings",
        lambda: TitanEmbeddingsDialect(model="amazon.titan-embed-text-v2:0"),
        2,
        b'{"embedding":[0.5,1.0],"inputTextTokenCount":3,"embeddingsByType":{"float":[0.5,1.0]}}',
        Usage(input_tokens=3),
    ),
    (
        "cohere-embeddings",
        lambda: CohereEmbeddingsDialect(model="cohere.embed-v4:0"),
        1,
        b'{"embeddings":{"float":[[0.5,1.0]]},"id":"i","response_type":"embeddings_by_type"}',
        Usage(),
    ),
    (
        "nova-embeddings",
        lambda: NovaEmbeddingsDialect(model="amazon.nova-2-multimodal-embeddings-v1:0"),
        2,
        b'{"embeddings":[{"embeddingType":"TEXT","embedding":[0.5,1.0]}]}',
        Usage(),
    ),
)
_BEDROCK: Mapping[str, Callable[[], Dialect]] = {
    "converse-chat": lambda: ConverseDialect(model="qwen.qwen3-32b-v1:0", batch=False),
    "converse-chat-in-jobs": lambda: ConverseDialect(model="qwen.qwen3-32b-v1:0", batch=True),
    "nova-chat": lambda: NovaDialect(model="amazon.nova-lite-v1:0"),
}
# What each answers a line of `_CHATS` with, for 3 tokens in 4 where it counts them.
_INVOKED: Mapping[str, tuple[Callable[[], Dialect], bytes, Usage]] = {
    "llama-chat": (
        lambda: LlamaDialect(model="us.meta.llama3-3-70b-instruct-v1:0"),
        b'{"generation":"a\\nb","prompt_token_count":3,"generation_token_count":4}',
        Usage(input_tokens=3, output_tokens=4),
    ),
    "mistral-prompt": (
        lambda: MistralPromptDialect(model="mistral.mixtral-8x7b-instruct-v0:1"),
        b'{"outputs":[{"text":" a\\nb","stop_reason":"stop"}]}',
        Usage(),
    ),
    "mistral-chat": (
        lambda: MistralChatDialect(model="us.mistral.pixtral-large-2502-v1:0"),
        b'{"choices":[{"message":{"content":"a"},"stop_reason":"stop"}],\n"usage":'
        b'{"prompt_tokens":3.0,"completion_tokens":"4"}}',
        Usage(input_tokens=3, output_tokens=4),
    ),
    "deepseek-r1": (
        lambda: DeepSeekDialect(model="us.deepseek.r1-v1:0"),
        b'{"choices":[{"text":"a</think>\\n\\nb","stop_reason":"stop"}]}',
        Usage(),
    ),
    "open-models": (
        lambda: OpenModelDialect(model="openai.gpt-oss-120b-1:0"),
        b'{"choices":[{"message":{"content":"<reasoning>a</reasoning>b"}}],\n"usage":'
        b'{"prompt_tokens":3,"completion_tokens":4}}',
        Usage(input_tokens=3, output_tokens=4),
    ),
    "anthropic-at-bedrock": (
        lambda: AnthropicDialect(
            model="us.anthropic.claude-haiku-4-5-20251001-v1:0", version=BEDROCK
        ),
        b'{"content":[{"type":"text","text":"a"}],"usage":{"input_tokens":3,"output_tokens":4}}',
        Usage(input_tokens=3, output_tokens=4),
    ),
}
DIALECTS: Mapping[str, Sample] = {
    **{
        name: Sample(
            new=new,
            lines=_CHATS,
            answers={answer: usage},
            errors={b"{}": 502, b'{"choices":7,"content":7,"outputs":7,"generation":[]}': 502},
            of_account=(),
            unsaid={
                b'{"messages":[{"role":"user","content":"a"}],"stream":true}': "stream",
                b'{"messages":[{"role":"user","content":"a"}],"audio":{}}': "audio",
            },
        )
        for name, (new, answer, usage) in _INVOKED.items()
    },
    "openai-chat": Sample(
        new=_openai("/v1/chat/completions"),
        lines={
            b'{"model":"mine","messages":[{"role":"user","content":"hi"}]}': 1,
            '{"model":"mine","messages":[],"temperature":1e400,"x":"é\\ud83d"}'.encode(): 1,
        },
        answers={
            b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,'
            b'"completion_tokens":4}}': Usage(input_tokens=3, output_tokens=4),
            b'{\n  "choices": [{"message": {"content": "a\\nb"}}]\n}': Usage(),
        },
        errors=_OPENAI_ERRORS,
        of_account=_OPENAI_OF_ACCOUNT,
    ),
    "openai-embeddings": Sample(
        new=_openai("/v1/embeddings"),
        lines={b'{"model":"mine","input":["a","b","c"]}': 1, b'{"model":"mine","input":"a"}': 1},
        answers={
            b'{"data":[{"embedding":[1.0]}],"usage":{"prompt_tokens":3}}': Usage(input_tokens=3)
        },
        errors=_OPENAI_ERRORS,
        of_account=_OPENAI_OF_ACCOUNT,
    ),
    "openai-responses": Sample(
        new=_openai("/v1/responses"),
        lines={b'{"model":"mine","input":"a"}': 1, b'{"model":"mine","stream":false}': 1},
        answers={
            b'{"output":[],"usage":{"input_tokens":3,"output_tokens":4}}': Usage(
                input_tokens=3, output_tokens=4
            )
        },
        errors={
            **_OPENAI_ERRORS,
            b'{"object":"response","status":"failed","error":{"code":"server_error"}}': 500,
        },
        of_account=_OPENAI_OF_ACCOUNT,
    ),
    "responses-over-chat": Sample(
        new=lambda: ResponsesDialect(inner=_openai("/v1/chat/completions")(), model=MODEL),
        lines={
            b'{"model":"mine","input":"a"}': 1,
            b'{"model":"mine","instructions":"hi","input":[{"role":"user","content":"a\\nb"}],'
            b'"temperature":1,"metadata":{"k":"v"},"truncation":"auto"}': 1,
        },
        answers={
            b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,'
            b'"completion_tokens":4}}': Usage(input_tokens=3, output_tokens=4),
            b'{\n  "choices": [{"message": {"content": "a\\nb"}}]\n}': Usage(),
        },
        errors={**_OPENAI_ERRORS, b'{"choices":[{"index":0}]}': 502, b'{"output":[]}': 502},
        of_account=_OPENAI_OF_ACCOUNT,
        unsaid={
            b'{"model":"mine","input":"a","previous_response_id":"r"}': "previous_response_id",
            b'{"model":"mine","input":[{"role":"user","content":"a"},{"type":"mcp_call"}]}': (
                "input[1].type"
            ),
        },
    ),
    "toy-chat": Sample(
        new=lambda: ToyDialect(endpoint="/v1/chat/completions", model=MODEL),
        lines={
            b'{"model":"mine","messages":[{"role":"user","content":"hi"}]}': 1,
            b'{"model":"mine","messages":[{"role":"user","content":"a"}],"max_tokens":9,'
            b'"temperature":0,"top_p":null}': 1,
        },
        answers={
            b'{"said":"a\\nb","coins":[3,4],"at":7}': Usage(input_tokens=3, output_tokens=4),
            b'{\n "said": "a", "whole": false}': Usage(),
        },
        errors={**_TOY_ERRORS, b'{"heft":[1.0],"coins":[3,0]}': 502},
        of_account=_TOY_OF_ACCOUNT,
        unsaid={
            b'{"model":"mine","messages":[],"logprobs":true}': "logprobs",
            b'{"messages":[{"role":"user","content":"a"},{"role":"user","content":[]}]}': (
                "messages[1]"
            ),
        },
    ),
    "toy-embeddings": Sample(
        new=lambda: ToyDialect(endpoint="/v1/embeddings", model=MODEL),
        lines={
            b'{"model":"mine","input":"a"}': 1,
            b'{"model":"mine","input":["a","b","c"],"encoding_format":"base64"}': 3,
        },
        answers={b'{"heft":[0.5,1.0],"coins":[3,0]}': Usage(input_tokens=3)},
        errors={**_TOY_ERRORS, b'{"said":"a"}': 502},
        of_account=_TOY_OF_ACCOUNT,
        unsaid={
            b'{"model":"mine","input":"a","dimensions":2}': "dimensions",
            b'{"model":"mine","input":[1,2]}': "input",
        },
    ),
    **{
        f"gemini-chat{suffix}": Sample(
            new=lambda batch=batch: GeminiDialect(model="gemini-2.5-flash", batch=batch),
            lines=_CHATS,
            answers={
                b'{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},'
                b'"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,'
                b'"candidatesTokenCount":4,"totalTokenCount":7},"responseId":"r"}': Usage(
                    input_tokens=3, output_tokens=4
                ),
                b'{\n "promptFeedback": {"blockReason": "SAFETY"}}': Usage(),
            },
            errors=_GOOGLE_ERRORS,
            of_account=_GOOGLE_OF_ACCOUNT,
            unsaid={
                b'{"messages":[{"role":"user","content":"a"}],"logit_bias":{"1":1}}': "logit_bias",
                b'{"messages":[{"role":"user","content":"a"}],"stream":true}': "stream",
            },
        )
        for suffix, batch in (("", False), ("-in-jobs", True))
    },
    "anthropic-chat": Sample(
        new=lambda: AnthropicDialect(model=MODEL),
        lines={
            b'{"model":"mine","messages":[{"role":"user","content":"hi"}]}': 1,
            b'{"model":"mine","messages":[{"role":"system","content":"a\\nb"},{"role":"user",'
            b'"content":[{"type":"text","text":"a"}]}],"seed":1,"user":"u","temperature":1}': 1,
        },
        answers={
            b'{"content":[{"type":"text","text":"a\\nb"}],"usage":{"input_tokens":1,'
            b'"cache_read_input_tokens":2,"output_tokens":4}}': Usage(
                input_tokens=3, cached_tokens=2, output_tokens=4
            ),
            b'{\n "content": [], "usage": {"input_tokens": 3.0, "output_tokens": "4"}}': Usage(
                input_tokens=3, output_tokens=4
            ),
        },
        errors={
            b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}': 529,
            b'{"type":"error","error":{"type":"of_tomorrow"}}': 500,
            b'{"content":7}': 502,
            b"{}": 502,
        },
        of_account=(
            b'{"type":"error","error":{"type":"authentication_error","message":"m"}}',
            b'{"type":"error","error":{"type":"billing_error","message":"m"}}',
            b'{"type":"error","error":{"type":"permission_error","message":"m"}}',
        ),
        unsaid={
            b'{"model":"mine","messages":[{"role":"user","content":"a"}],"n":2}': "n",
            b'{"messages":[{"role":"user","content":"a"},{"role":"user","content":[]}]}': (
                "messages[1].content"
            ),
        },
    ),
    **{
        name: Sample(
            new=new,
            lines=_CHATS,
            answers={
                b'{"output":{"message":{"role":"assistant","content":[{"text":"a\\nb"}]}},'
                b'"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":4,'
                b'"totalTokens":7,"cacheReadInputTokens":2}}': Usage(
                    input_tokens=3, cached_tokens=2, output_tokens=4
                ),
                b'{\n "output": {"message": {"content": []}}, "stopReason": "end_turn"}': Usage(),
            },
            errors={
                b'{"message":"m"}': 502,
                b'{"output":{"message":{"content":[]}},"stopReason":"odd \xc3\xa9"}': 502,
                b"{}": 502,
            },
            of_account=(b'{"message":"who?"}', b'{"Message":"no"}'),
            unsaid={
                b'{"messages":[{"role":"user","content":"a"}],"logit_bias":{"1":1}}': "logit_bias",
                b'{"messages":[{"role":"user","content":"a"},{"role":"user","content":[]}]}': (
                    "messages[1].content"
                ),
            },
        )
        for name, new in _BEDROCK.items()
    },
    "gemini-responses": Sample(
        new=lambda: ResponsesDialect(
            inner=GeminiDialect(model="gemini-2.5-flash", batch=False), model="gemini-2.5-flash"
        ),
        lines={b'{"model":"mine","input":"a"}': 1},
        answers={
            b'{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":'
            b'"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}': Usage(
                input_tokens=3, output_tokens=4
            ),
        },
        errors=_GOOGLE_ERRORS,
        of_account=_GOOGLE_OF_ACCOUNT,
        unsaid={b'{"input":"a","previous_response_id":"r"}': "previous_response_id"},
    ),
    "gemini-embeddings": Sample(
        new=lambda: GeminiEmbeddingsDialect(model="gemini-embedding-2", batch=False),
        lines={
            b'{"model":"mine","input":"a"}': 1,
            b'{"model":"mine","input":["a","b"],"encoding_format":"base64"}': 2,
        },
        answers={
            b'{"embedding":{"values":[0.5,1.0]},"usageMetadata":{"promptTokenCount":3}}': Usage(
                input_tokens=3
            )
        },
        errors=_GOOGLE_ERRORS,
        of_account=_GOOGLE_OF_ACCOUNT,
        unsaid={b'{"model":"mine","input":[1,2]}': "input"},
    ),
    "text-embeddings-in-jobs": Sample(
        new=lambda: TextEmbeddingsDialect(model="text-embedding-005", batch=True),
        lines={b'{"model":"mine","input":"a"}': 1, b'{"model":"mine","input":["a","b"]}': 2},
        answers={
            b'{"predictions":[{"embeddings":{"values":[0.5,1.0],"statistics":{"token_count":3}}}'
            b"]}": Usage(input_tokens=3)
        },
        errors=_GOOGLE_ERRORS,
        of_account=_GOOGLE_OF_ACCOUNT,
        unsaid={b'{"model":"mine","input":[1,2]}': "input"},
    ),
    **{
        name: Sample(
            new=new,
            lines={
                b'{"model":"mine","input":"a"}': 1,
                b'{"model":"mine","input":["a","b"],"encoding_format":"base64"}': bodies,
            },
            answers={answer: usage},
            errors={b'{"message":"m"}': 502, b'{"embedding":[],"embeddings":[]}': 502, b"{}": 502},
            of_account=(b'{"message":"who?"}', b'{"Message":"no"}'),
            unsaid={
                b'{"model":"mine","input":[1,2]}': "input",
                b'{"model":"mine","input":"a","dimensions":7}': "dimensions",
            },
        )
        for name, new, bodies, answer, usage in _BEDROCK_EMBEDDINGS
    },
    "vertex-claude": Sample(
        new=lambda: AdvisingDialect(
            AnthropicDialect(model="claude-sonnet-4-5"),
            read=refusals_at(Place(project="p", region="us-central1")),
        ),
        lines=_CHATS,
        answers={b'{"content":[{"type":"text","text":"hi"}]}': Usage()},
        errors={
            **_GOOGLE_ERRORS,
            b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}': 529,
        },
        of_account=(
            *_GOOGLE_OF_ACCOUNT,
            b'[{"error":{"code":403,"status":"PERMISSION_DENIED"}}]',
            b'{"type":"error","error":{"type":"authentication_error","message":"m"}}',
        ),
    ),
    "vertex-open-model": Sample(
        new=lambda: AdvisingDialect(
            OpenAIDialect(endpoint="/v1/chat/completions", model="meta/llama-maas"),
            read=refusals_at(Place(project="p", region="us-central1")),
        ),
        lines=_CHATS,
        answers={
            b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,'
            b'"completion_tokens":4}}': Usage(input_tokens=3, output_tokens=4),
        },
        errors=_OPENAI_ERRORS,
        of_account=_GOOGLE_OF_ACCOUNT,
    ),
    "tiny": Sample(
        new=lambda: TinyDialect(Call("/v1/embeddings", MODEL)),
        lines={b'{"model":"mine","input":"a"}': 1, b'{"model":"mine","input":["a","b","c"]}': 3},
        answers={b'{"said":"A","paid":3}': Usage(input_tokens=3)},
        errors={b'{"oops":"busy"}': 503, b'{"oops":"no"}': 400},
        of_account=(b'{"oops":"broke"}',),
        unsaid={b'{"model":"mine","input":"a","logprobs":true}': "logprobs"},
    ),
}
