"""Errors of a provider's jobs that Batchway words: the code, when it is told, and what mends it.

A test sees that no code is missing that the accounts and the story of native batches give.
"""

from typing import Final

JOB_ERRORS: Final = (
    (
        "no_bucket",
        "Vertex AI, AWS Bedrock: the jobs have no bucket for their files.",
        "Set `bucket`, or send the header `x-tfy-vertex-storage-bucket-name` or "
        "`x-tfy-aws-s3-bucket`.",
    ),
    (
        "no_such_bucket",
        "Vertex AI, AWS Bedrock: there is no bucket of that name.",
        "Make the bucket, or correct its name.",
    ),
    (
        "bucket_in_another_region",
        "Vertex AI, AWS Bedrock: the bucket and the jobs are in different regions.",
        "Name a bucket in the region of the jobs, or another `region`.",
    ),
    (
        "bucket_denied",
        "Vertex AI, AWS Bedrock: who reads and writes in the bucket for a job (Google's service "
        "agent, the role `role_arn`) may not. It shows at the end of a job.",
        "Give the account or role that the message names what it names, on the bucket.",
    ),
    (
        "no_role",
        "AWS Bedrock: the jobs have no role to read and write their files as.",
        "Set `role_arn`.",
    ),
    (
        "role_not_assumed",
        "AWS Bedrock: it cannot assume the role `role_arn`.",
        "See that the role exists, and that its trust policy names bedrock.amazonaws.com.",
    ),
    (
        "role_denied",
        "AWS Bedrock: the role `role_arn` may not call the model of a job.",
        "Allow the role bedrock:InvokeModel on the model, and on the profile that names it.",
    ),
    (
        "network_unusable",
        "AWS Bedrock: a job cannot use the network `vpc`.",
        "See that its subnets and security groups are in the region and reach S3.",
    ),
    (
        "too_few_records",
        "AWS Bedrock: a job has fewer lines than the account's quota asks for.",
        "Send more lines in a batch, or set the provider's `mode` to `managed`.",
    ),
    (
        "too_large",
        "AWS Bedrock: a job has more lines or bytes than the account's quotas allow, and cannot be "
        "cut any more.",
        "Lower `native.max_lines` or `native.max_bytes`, or ask AWS for a higher quota.",
    ),
    (
        "no_room",
        "AWS Bedrock: a quota of jobs at a time is used up, and some of the job was run.",
        "Run the lines again later, or ask AWS for a higher quota.",
    ),
    (
        "no_input",
        "AWS Bedrock: the input of a job was gone when the job looked for it.",
        "See that no rule of the bucket removes objects within a week.",
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
        "Vertex AI, AWS Bedrock: it let the job fail, with no reason or with one that is not "
        "known.",
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
