"""Fake servers of the providers' batch APIs.

    python -m batchway.simulator.batches --vendor openai --port 0 --behaviour '{"phases": ...}'

prints the base URL. In a test:

    with running("openai", rows={"shuffle": True}) as fake:
        client = OpenAI(base_url=fake.base_url, api_key="sk-test")
        fake.control(hold=["in_progress"])
        fake.trouble({"on": "create", "do": "lose", "times": 1})
        fake.stats()["creates_by_filename"]

`running` is a thread, `process` a process of its own (for kill tests). The dials are `Behaviour`,
the troubles `Rule`, the vendors `VENDORS`. Nothing here may import an adapter of the project: only
the simulator's answers, so that a test can tell whose answer a line got.

    behaviour   dials, rules, the fate of a line       validation  what a validator finds
    vendors     one row a vendor, with sources         results     rows, from input to files
    dialects    how OpenAI and Azure write JSON        imitators   how the others do
    jobs        the life of a job
    state       files and jobs                         office      the operations
    store       the files on disk                      server      HTTP
    clock       time, and advancing it                 uploading   multipart
    trouble     which request is struck                handle      starting fakes
    front       the shell of the fakes of clouds
"""

from batchway.simulator.batches.behaviour import Behaviour, Rule, befalls, failure
from batchway.simulator.batches.handle import Fake, process, running, serving
from batchway.simulator.batches.vendors import VENDORS, Vendor

__all__ = [
    "VENDORS",
    "Behaviour",
    "Fake",
    "Rule",
    "Vendor",
    "befalls",
    "failure",
    "process",
    "running",
    "serving",
]
