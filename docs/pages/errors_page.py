"""The page of every error text."""

from batchway.domain.batch_errors import BatchText, LineText
from batchway.domain.errors import ApiText
from pages.job_errors import JOB_ERRORS
from pages.markdown import code, page, table


def errors_page() -> str:
    """Every text of the error tables."""
    api = table(
        ["Status", "`code`", "`type`", "`param`", "`message`", "Retried by SDKs"],
        [
            [
                str(text.value.status),
                code(text.value.code),
                code(text.value.type),
                code(text.value.param),
                text.value.message,
                "yes" if text.value.retry else "",
            ]
            for text in ApiText
        ],
    )
    batch = table(
        ["`code`", "`param`", "`message`"],
        [[code(t.value[0]), code(t.value[2]), t.value[1]] for t in BatchText],
    )
    line = table(["`code`", "`message`"], [[code(t.value[0]), t.value[1]] for t in LineText])
    return page(
        "Errors",
        "Words in braces are filled in. Where OpenAI's service is known to send a text, it is "
        "sent here word for word.",
        "## Answers of the HTTP API",
        'The body is `{"error": {"message", "type", "param", "code"}}`, all four always there. '
        "Errors that a retry cannot mend carry `x-should-retry: false`, which OpenAI's SDKs obey.",
        api,
        "## Why a batch failed validation",
        "Entries of `errors.data` of a batch with the status `failed`; `line` counts from 1. "
        "Nothing of such a batch was sent. `batchway check` finds the same without a server.",
        batch,
        "## Lines without an answer",
        "The `error` of a line in the error file that has no `response`. Lines that a provider "
        "answered with an error have its status and body in `response` instead.",
        line,
        "## Jobs of a provider",
        "In `errors` of a batch whose jobs were refused, in the `error` of lines whose job failed, "
        "and in `run_online` where such lines run online instead. Other codes there are the "
        "provider's own.",
        table(["`code`", "When", "What mends it"], [[code(c), w, m] for c, w, m in JOB_ERRORS]),
    )
