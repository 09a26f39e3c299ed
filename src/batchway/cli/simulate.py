"""`batchway simulate`: an OpenAI-compatible model server with dialled behaviour.

Owns the flags: one for each dial of `simulator.online`, passed on as the text that was given,
since the dials check themselves. A test holds the two lists together.
"""

import errno
from typing import Annotated

import typer

from batchway.cli.console import say
from batchway.cli.failures import CommandError


def _dial(text: str, metavar: str = "VALUE") -> typer.models.OptionInfo:
    return typer.Option(help=text, metavar=metavar, show_default=False)


_Rate = "RATE"
_Number = "NUMBER"
_Seconds = "SECONDS"


def simulate(
    *,
    host: Annotated[str | None, _dial("Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[
        str | None, _dial("Port to listen on; by default any free one.", _Number)
    ] = None,
    api_key: Annotated[str | None, _dial("Key that callers must send.", "KEY")] = None,
    models: Annotated[
        str | None, _dial("Models that exist, comma separated; by default every one.", "NAMES")
    ] = None,
    record: Annotated[
        bool | None, typer.Option(help="Count answers by prompt in the stats.", show_default=False)
    ] = None,
    seed: Annotated[
        str | None, _dial("Make every chance a function of this and the prompt.", _Number)
    ] = None,
    latency: Annotated[
        str | None,
        _dial("Seconds to work on a request, such as 0.2, uniform:0.1,0.3 or lognormal:0.3,0.5."),
    ] = None,
    latency_per_token: Annotated[
        str | None, _dial("Further seconds for each output token.", _Seconds)
    ] = None,
    engine: Annotated[
        str | None,
        _dial("Work as a model of an engine does: h200, h200-256, cpu, small or hosted.", "NAME"),
    ] = None,
    capacity: Annotated[
        str | None, _dial("Requests worked on at once; further ones queue.", _Number)
    ] = None,
    requests_per_minute: Annotated[str | None, _dial("Answer 429 beyond this.", _Number)] = None,
    tokens_per_minute: Annotated[str | None, _dial("Answer 429 beyond this.", _Number)] = None,
    limit_window: Annotated[
        str | None, _dial("Seconds of allowance that can be spent at once.", _Seconds)
    ] = None,
    max_concurrency: Annotated[
        str | None, _dial("Answer 429 while this many are in flight.", _Number)
    ] = None,
    retry_after: Annotated[
        str | None, _dial("Retry-After of 429s and 503s drawn by chance.", _Seconds)
    ] = None,
    error_rate: Annotated[str | None, _dial("Chance of a 500 or a 503.", _Rate)] = None,
    status_rates: Annotated[
        str | None, _dial("Chance of each status, such as 500=0.01,429=0.05.", "STATUS=RATE,...")
    ] = None,
    reset_rate: Annotated[str | None, _dial("Chance of a TCP reset.", _Rate)] = None,
    truncate_rate: Annotated[
        str | None, _dial("Chance of a body that ends halfway.", _Rate)
    ] = None,
    slow_body_rate: Annotated[str | None, _dial("Chance of a body that dribbles.", _Rate)] = None,
    slow_body_delay: Annotated[
        str | None, _dial("Pause between the pieces of such a body.", _Seconds)
    ] = None,
    slow_body_piece: Annotated[
        str | None, _dial("Bytes in each piece of such a body.", _Number)
    ] = None,
    garbage_rate: Annotated[
        str | None, _dial("Chance of a 200 whose body is not JSON.", _Rate)
    ] = None,
    html_rate: Annotated[str | None, _dial("Chance of a 502 with an HTML page.", _Rate)] = None,
    hang_rate: Annotated[str | None, _dial("Chance of no answer at all.", _Rate)] = None,
    fail_prompts: Annotated[
        str | None, _dial("Fate of prompts holding a text.", "TEXT=FATE,...")
    ] = None,
    markers: Annotated[
        bool | None,
        typer.Option(help="Let prompts script themselves: [[500]], [[hang]].", show_default=False),
    ] = None,
) -> None:
    """Run a simulated model server to try Batchway on. Prints its base URL when it listens."""
    # First, while the arguments are all that there is: the flags that were given.
    given = {name: value for name, value in locals().items() if value is not None}
    from batchway.simulator.online import (  # noqa: PLC0415 - slow to import, see the package
        InvalidSettings,
        SimulatorSettings,
        run,
    )

    try:
        dials = SimulatorSettings.parse(given)
    except InvalidSettings as error:
        sentences = [
            "--" + line.replace("_", "-", line.partition(":")[0].count("_"))
            for line in str(error).splitlines()
        ]
        raise CommandError("; ".join(sentences) + ".", code=2) from error
    try:
        run(dials, ready=say)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise CommandError(
            f"Port {port} is in use already. Is another `batchway simulate` running? Choose "
            "another port with --port."
        ) from error
