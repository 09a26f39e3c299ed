"""A fake of AWS: Bedrock's control plane and runtime with STS at one origin, S3 at another.

    python -m batchway.simulator.aws --port 0 --behaviour '{"shards": 3}'

prints both origins. In a test:

    with running(min_records=1) as fake:
        fake.make_bucket("bucket", region="us-east-1")
        boto3.client("bedrock", endpoint_url=fake.url, aws_access_key_id=fake.keys.id, ...)
        boto3.client("s3", endpoint_url=fake.s3_url, ...)
        fake.control(hold=["InProgress"])
        fake.trouble({"on": "create", "do": "lose", "times": 1})
        fake.stats()["lines_by_id"]     # how often each record was run, which is what is paid

`running` is a thread, `process` a process of its own (for kill tests). The dials are `Behaviour`,
the troubles `Rule`. Answers are those of `simulator.online`, with the model as the caller named it:
for plain texts `online.verify` of the caller's own OpenAI line holds, whatever the dialect it was
translated to; with tools, media or schemas the digest is that of `expected.digest_of`.

It needs moto (for S3) and botocore (for the service models), which are dependencies for
development.

    behaviour     dials and rules               families   who speaks which language
    handle        starting fakes                speaking   every family at one door: converse, nova,
    server        HTTP, two origins                        anthropic, chat, prompted, vectors
    account       the parts, put together       schema     what InvokeModel's bodies look like
    control       jobs, as callers ask for them modelled   what AWS's own service models say
    runtime       InvokeModel and Converse      answering  what a body is answered with
    models        which there are, and for whom jobs, state   the life of a job
    keys, signing, sts, metadata   identity     reading    the input of a job
    objects, storage     S3                     producing  its output
    refusals      how AWS says no               expected   what a test compares with
"""

from batchway.simulator.aws.behaviour import Behaviour, Fate, Rule
from batchway.simulator.aws.handle import BedrockFake, KeyPair, process, running, serving
from batchway.simulator.aws.keys import ACCESS_KEY_ID, ACCOUNT, SECRET_ACCESS_KEY

__all__ = [
    "ACCESS_KEY_ID",
    "ACCOUNT",
    "SECRET_ACCESS_KEY",
    "BedrockFake",
    "Behaviour",
    "Fate",
    "KeyPair",
    "Rule",
    "process",
    "running",
    "serving",
]
