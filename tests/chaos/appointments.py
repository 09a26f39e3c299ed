"""The moments at which the server is killed. Each appointment ends with the server dead.

Chance chooses within each moment; a campaign goes through all of them again and again in random
order, so that a short series meets every phase too.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.campaign import Campaign
from tests.chaos.client import Gone, Refused
from tests.chaos.orders import Order

Appointment = Callable[[Campaign], None]

_PATIENCE = 12.0


def while_running(campaign: Campaign) -> None:
    """While lines are sent, retried, refused and cut off."""
    campaign.start()
    time.sleep(campaign.dice.uniform(0.2, 2.0))
    campaign.kill()


def while_committing(campaign: Campaign) -> None:
    """As soon as a new file appears: a segment that is being written or not yet in the ledger."""
    campaign.start()
    delay = campaign.dice.uniform(0.0, 0.006)
    temporary = campaign.arena.data / "blobs" / "tmp"
    time.sleep(campaign.dice.uniform(0.3, 1.5))
    before = set(temporary.iterdir())
    _until(lambda: set(temporary.iterdir()) - before)
    time.sleep(delay)
    campaign.kill()


def while_uploading(campaign: Campaign) -> None:
    """With an upload half there, just there, or in parts."""
    campaign.start()
    campaign.mark("uploading")
    made = campaign.new_order()
    way = campaign.dice.choice(["half", "race", "written", "parts"])
    if way == "half":
        name = f"half-{made.tag}.jsonl"
        sent = campaign.dice.randrange(len(made.data))
        with campaign.client(made).half_upload(made.data, name, sent):
            time.sleep(campaign.dice.uniform(0.0, 0.05))
            campaign.kill()
    elif way in {"race", "written"}:
        name = f"{made.tag}.jsonl"
        files = campaign.arena.data / "blobs" / "files"
        before = _count(files)
        file = _race(
            campaign,
            lambda: campaign.client(made).upload(made.data, name),
            within=campaign.dice.uniform(0.0, 0.03) if way == "race" else 0.0,
            # Its bytes are there, and its row is not yet, or only just.
            sign=(lambda: _count(files) > before) if way == "written" else None,
        )
        if file is None:
            campaign.unanswered[name] = made.data
        else:
            campaign.uploaded(made, file["id"])
    else:
        _killed_between_parts(campaign, made)


def _killed_between_parts(campaign: Campaign, made: Order) -> None:
    """Parts that were answered are there after the kill, and make the whole."""
    client, half = campaign.client(made), campaign.dice.randrange(1, len(made.data))
    name = f"{made.tag}.jsonl"
    upload = client.start_parts(len(made.data), name)
    first = client.add_part(upload, made.data[:half])
    lost = _race(
        campaign,
        lambda: {"id": client.add_part(upload, made.data[half:])},
        within=campaign.dice.uniform(0.0, 0.02),
    )
    campaign.start_alone()
    second = lost["id"] if lost is not None else client.add_part(upload, made.data[half:])
    joined = _race(
        campaign,
        lambda: client.join_parts(upload, [first, second]),
        within=campaign.dice.uniform(0.0, 0.03),
    )
    if joined is None:
        campaign.unanswered[name] = made.data
    else:
        campaign.uploaded(made, joined["id"])


def while_creating(campaign: Campaign) -> None:
    """During a create: afterwards the batch is there or not, and asked again there once."""
    campaign.start()
    made = campaign.new_order()
    campaign.upload(made)
    campaign.mark("creating")
    delay = campaign.dice.uniform(0.0, 0.015)
    _race(campaign, lambda: campaign.create(made) or {}, within=delay)


def after_creating(campaign: Campaign) -> None:
    """Right after a create was answered, or while the batch is being validated."""
    campaign.start()
    made = campaign.new_order(1319, model="steady/gpt-4o-mini")
    campaign.create(made)
    campaign.mark("right after create")
    time.sleep(campaign.dice.choice([0.0, campaign.dice.uniform(0.0, 0.08)]))
    campaign.kill()


def while_finalizing(campaign: Campaign) -> None:
    """Right when a batch says `finalizing`, or a moment before or after."""
    campaign.start()
    made = campaign.new_order(campaign.dice.randrange(10, 40), model="steady/gpt-4o-mini")
    campaign.create(made)
    client, batch_id = campaign.client(made), made.batch_id or ""
    last = {"finalizing", "completed"}
    _until(lambda: client.batch(batch_id)["status"] in last)
    time.sleep(campaign.dice.choice([0.0, 0.0, campaign.dice.uniform(0.0, 0.02)]))
    campaign.kill()


def after_cancelling(campaign: Campaign) -> None:
    """During a cancel, or after it was answered."""
    campaign.start()
    candidates = [made for made in campaign.running() if not made.cancelled]
    made = campaign.dice.choice(candidates)
    time.sleep(campaign.dice.uniform(0.0, 1.0))

    def cancel() -> dict[str, Any]:
        made.cancelled = None
        try:
            answer = campaign.client(made).cancel(made.batch_id or "")
        except Refused as error:
            if error.status != 409:
                raise
            made.cancelled = False  # it had ended
            return {}
        made.cancelled = True
        return answer

    campaign.mark("cancel")
    if campaign.dice.random() < 0.5:
        _race(campaign, cancel, within=campaign.dice.uniform(0.0, 0.01))
    else:
        cancel()
        time.sleep(campaign.dice.choice([0.0, campaign.dice.uniform(0.0, 0.5)]))
        campaign.kill()


def while_starting(campaign: Campaign) -> None:
    """Before the server answers: imports, lock, migrations, recovery of the engine."""
    campaign.arena.server.start(cold=True)
    time.sleep(campaign.dice.uniform(0.3, 1.6))
    campaign.kill()


def while_recovering(campaign: Campaign) -> None:
    """Just after the server answers, while it takes its batches up again."""
    campaign.start_alone()
    time.sleep(campaign.dice.uniform(0.0, 0.6))
    campaign.kill()


def after_a_pause(campaign: Campaign) -> None:
    """Stopped for a while, in which nobody can take its place; then killed, or woken first."""
    campaign.start()
    time.sleep(campaign.dice.uniform(0.2, 1.0))
    campaign.pause(campaign.dice.uniform(0.2, 1.5))
    if campaign.dice.random() < 0.5:
        campaign.wake()
        time.sleep(campaign.dice.uniform(0.0, 1.0))
    campaign.kill()


def while_the_account_is_bad(campaign: Campaign) -> None:
    """With its key revoked or its credit gone; both come back before or after the kill."""
    campaign.start()
    time.sleep(campaign.dice.uniform(0.2, 1.0))
    campaign.mark("account bad")
    campaign.arena.account_goes_bad(campaign.dice.choice(["key", "credit"]))
    time.sleep(campaign.dice.uniform(0.2, 1.5))
    if campaign.dice.random() < 0.5:
        campaign.arena.account_is_well()
        time.sleep(campaign.dice.uniform(0.0, 1.5))
    campaign.kill()
    campaign.arena.account_is_well()


def while_providers_are_renamed(campaign: Campaign) -> None:
    """A life in which the providers have other names; the next one has them back."""
    while campaign.validating:
        # What was not accepted under the old names would rightly be refused under the new ones.
        campaign.start_alone()
        time.sleep(1.0)
        campaign.kill()
    campaign.arena.configure(narrow=1, suffix="-renamed")
    campaign.start_alone()
    campaign.mark("providers renamed")
    time.sleep(campaign.dice.uniform(0.2, 2.0))
    campaign.kill()
    campaign.arena.configure(narrow=1)


DECK: tuple[Appointment, ...] = (
    while_running,
    while_running,
    while_committing,
    while_committing,
    while_uploading,
    while_creating,
    after_creating,
    while_finalizing,
    while_finalizing,
    after_cancelling,
    while_starting,
    while_recovering,
    after_a_pause,
    while_the_account_is_bad,
    while_providers_are_renamed,
)


def keep(campaign: Campaign, kills: int) -> None:
    """Keep appointments until the server has been killed so many times."""
    deck: list[Appointment] = []
    while campaign.kills < kills:
        if not deck:
            deck = list(DECK)
            campaign.dice.shuffle(deck)
        deck.pop()(campaign)


def _count(directory: Path) -> int:
    """How many files lie there."""
    return sum(1 for path in directory.rglob("*") if path.is_file())


def _race(
    campaign: Campaign,
    call: Callable[[], dict[str, Any]],
    *,
    within: float,
    sign: Callable[[], object] | None = None,
) -> dict[str, Any] | None:
    """Make a call and kill the server meanwhile, at the `sign` if there is one; the answer if it
    was in time.
    """
    answers: list[dict[str, Any]] = []
    defects: list[BaseException] = []

    def make() -> None:
        try:
            answers.append(call())
        except Gone:
            return
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            defects.append(error)

    caller = threading.Thread(target=make)
    caller.start()
    time.sleep(within)
    if sign is not None:
        _until(sign)
    campaign.kill()
    caller.join()
    if defects:
        raise defects[0]
    return answers[0] if answers else None


def _until(condition: Callable[[], object]) -> None:
    """Wait for a moment, without missing it by more than the look takes; not for ever."""
    deadline = time.monotonic() + _PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.0005)
