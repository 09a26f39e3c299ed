"""Errors of a provider's jobs that Batchway words: the code, when it is told, and what mends it.

A test sees that no code is missing that the accounts and the story of native batches give.
"""

from typing import Final

JOB_ERRORS: Final = (
    (
        "no_bucket",
        "Vertex AI: the jobs have no bucket for their files.",
        "Set `bucket`, or send the header `x-tfy-vertex-storage-bucket-name`.",
    ),
    (
        "no_such_bucket",
        "Vertex AI: there is no bucket of that name.",
        "Make the bucket, or correct its name.",
    ),
    (
        "bucket_in_another_region",
        "Vertex AI: the bucket and the jobs are in different regions.",
        "Name a bucket in the region of the jobs, or another `region`.",
    ),
    (
        "bucket_denied",
        "Vertex AI: its own account, the service agent, may not read or write in the bucket. It "
        "shows at the end of a job.",
        "Give the account that the message names the role that it names, on the bucket.",
    ),
    (
        "bucket_unusable",
        "Vertex AI: it cannot use the bucket for this job.",
        "See that the bucket exists and is in the region of the jobs.",
    ),
    (
        "import_failed",
        "Vertex AI: it could not take in the lines of a job, and ran none of them.",
        "See what the message says of the line, or set the provider's `mode` to `auto`.",
    ),
    (
        "resource_exhausted",
        "Vertex AI: a quota of jobs is used up, and some of the job was run.",
        "Run the lines again later, or ask Google for a higher quota.",
    ),
    (
        "internal",
        "Vertex AI: it failed for a reason of its own.",
        "Run the lines again.",
    ),
    (
        "job_failed",
        "Vertex AI: it let the job fail, with no reason or with one that is not known.",
        "See what the message says, and run the lines again.",
    ),
    (
        "no_batch_api",
        "A provider of OpenAI's batch API takes no files at its address.",
        "Correct the address, or set the provider's `mode` to `managed`.",
    ),
    (
        "provider_refused",
        "A provider refused a job without saying why.",
        "See the provider's own pages and logs, or set its `mode` to `managed`.",
    ),
)
