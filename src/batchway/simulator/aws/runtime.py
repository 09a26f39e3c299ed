"""The runtime without its sockets: InvokeModel and Converse.

Owns what is asked before a model answers; not what it answers (`speaking`).
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
"""

from collections import Counter
from collections.abc import Callable

from batchway.simulator.aws.answering import Ran
from batchway.simulator.aws.behaviour import Behaviour
from batchway.simulator.aws.families import VECTORS
from batchway.simulator.aws.keys import Caller
from batchway.simulator.aws.models import Models
from batchway.simulator.aws.refusals import invalid
from batchway.simulator.aws.speaking import run
from batchway.simulator.batches.clock import Clock


class Runtime:
    """`online` counts the answers by the digest of their prompts."""

    def __init__(self, *, models: Models, clock: Clock, behaviour: Callable[[], Behaviour]) -> None:
        self.online: Counter[str] = Counter()
        self._models = models
        self._clock = clock
        self._behaviour = behaviour

    def ask(self, model: str, operation: str, body: object, caller: Caller) -> Ran:
        """Answer `invoke` or `converse`. Raises `Refused`."""
        family = self._models.family(model, caller, action="bedrock:InvokeModel")
        if operation == "converse":
            if family in VECTORS:
                raise invalid(
                    "This action doesn't support the model that you provided. Try again with a "
                    "supported text or chat model."
                )
            family = "converse"
        elif family == "converse":
            raise invalid("The fake knows this model by Converse alone.")
        ran = run(
            body,
            family=family,
            model=model,
            behaviour=self._behaviour(),
            now=self._clock.now(),
            batch=False,
        )
        self.online[ran.digest] += 1
        return ran
