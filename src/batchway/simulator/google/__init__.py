"""A fake of Google: Vertex AI with Cloud Storage and the token endpoint, at one origin.

    python -m batchway.simulator.google --port 0 --behaviour '{"shards": 3}'

prints the origin. In a test:

    with running(shuffle=True) as fake:
        fake.key_file(path)             # a service account, whose tokens come from the fake
        fake.control(hold=["RUNNING"])
        fake.trouble({"on": "create", "do": "lose", "times": 1})
        fake.stats()["lines_by_id"]     # how often each line was run, which is what is paid
        fake.objects()                  # what lies in the buckets

`running` is a thread, `process` a process of its own (for kill tests). The dials are `Behaviour`,
the troubles `Rule`. Answers are those of `simulator.online`: for plain texts `online.verify` of the
caller's own OpenAI line holds, whatever the dialect it was translated to; with tools, media or
schemas the digest that an answer starts with is that of `expected.digest_of`.

    behaviour     dials and rules               messages, parsing     JSON as the platform reads it
    handle        starting fakes                gemini, gemini_rules  generateContent
    server        HTTP, one origin              claude                Anthropic's Messages
    exchange      bodies, both ways             embeddings            vectors
    account       the parts, put together       models                who speaks which language
    platform      operations of the platform    importer              what sinks a whole job
    filtering     filters of the list of jobs   rows, producing       the output of a job
    refusals      how Google says no            tokens, signing       OAuth
    storage_json, storage_xml  Cloud Storage    jobs, state           the life of a job
    objects, checksums  buckets on disk         expected              what a test compares with

What a request says, values for schemas and Anthropic's Messages are in `simulator.languages`.
"""

from batchway.simulator.google.behaviour import Behaviour, Fate, Rule
from batchway.simulator.google.handle import GoogleFake, process, running, serving

__all__ = ["Behaviour", "Fate", "GoogleFake", "Rule", "process", "running", "serving"]
