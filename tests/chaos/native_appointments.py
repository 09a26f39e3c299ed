"""The moments at which the server is killed while native batches run; it is dead after each.

Chance chooses within each moment; a campaign goes through all of them again and again in random
order, so that a short series meets most phases too.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from tests.chaos.client import Gone, Refused
from tests.chaos.native_arena import ACCOUNTS, Account, Rule
from tests.chaos.native_campaign import NativeCampaign, NativeOrder

Appointment = Callable[[NativeCampaign], None]

_PATIENCE = 8.0
_AZURE = next(account for account in ACCOUNTS if account.vendor == "azure")
_OPENAI = next(account for account in ACCOUNTS if account.vendor == "openai")


def while_ingesting(campaign: NativeCampaign) -> None:
    """Right after a create was answered, while the batch is validated and cut into jobs."""
    campaign.start()
    campaign.create(campaign.new_order(260))
    time.sleep(campaign.dice.uniform(0.0, 0.06))
    campaign.kill()


def while_encoding(campaign: NativeCampaign) -> None:
    """As soon as an input is being encoded, or brought to the provider."""
    campaign.start()
    campaign.create(campaign.new_order(260))
    spool, delay = campaign.arena.spool, campaign.dice.uniform(0.0, 0.01)
    _until(lambda: spool.exists() and any(spool.iterdir()))
    time.sleep(delay)
    campaign.kill()


def while_uploading(campaign: NativeCampaign) -> None:
    """The provider has the input and has not said so."""
    account = campaign.dice.choice(campaign.arena.accounts)
    _at_request(campaign, "upload", account, within=0.3)


def before_storing_the_job(campaign: NativeCampaign) -> None:
    """The provider has the job and has not said so: nobody but it knows the id."""
    account = campaign.dice.choice(campaign.arena.accounts)
    _at_request(campaign, "create", account, within=0.3)


def after_a_lost_creation(campaign: NativeCampaign) -> None:
    """The answer to a creation was lost, or a 5xx: killed while the job is looked for."""
    account = campaign.dice.choice(campaign.arena.accounts)
    rule: Rule = campaign.dice.choice(
        [
            {"on": "create", "do": "lose", "times": 2},
            {"on": "create", "do": "disown", "times": 2, "status": 500},
        ]
    )
    campaign.start_alone()
    campaign.arena.trouble(account.vendor, rule)
    made = campaign.new_order(150, account=account)
    campaign.create(made)
    _until(lambda: _jobs(campaign, made))
    time.sleep(campaign.dice.uniform(0.0, 2.5))
    campaign.kill()


def while_polling(campaign: NativeCampaign) -> None:
    """While jobs run."""
    campaign.start()
    made = campaign.new_order()
    campaign.create(made)
    _until(lambda: "in_progress" in _statuses(campaign, made))
    time.sleep(campaign.dice.uniform(0.0, 0.7))
    campaign.kill()


def while_collecting(campaign: NativeCampaign) -> None:
    """While results arrive, in pieces of a few bytes, or break off."""
    campaign.start()
    account = campaign.dice.choice(campaign.arena.accounts)
    rule: Rule = campaign.dice.choice(
        [{"do": "chop"}, {"do": "cut", "bytes": 20_000}, {"do": "stall", "seconds": 0.2}]
    )
    campaign.arena.trouble(account.vendor, {"on": "content", **rule})
    fake = campaign.arena.fakes[account.vendor]
    campaign.create(campaign.new_order(campaign.dice.choice((70, 150)), account=account))
    before = fake.brief()["requests"].get("content", 0)
    _until(lambda: fake.brief()["requests"].get("content", 0) > before)
    campaign.mark("collecting")
    time.sleep(campaign.dice.uniform(0.0, 0.6))
    campaign.kill()


def while_committing(campaign: NativeCampaign) -> None:
    """As soon as a new file appears: a segment that is being written or not yet in the ledger."""
    campaign.start()
    campaign.create(campaign.new_order(150))
    delay = campaign.dice.uniform(0.0, 0.006)
    temporary = campaign.arena.data / "blobs" / "tmp"
    time.sleep(0.2)
    before = set(temporary.iterdir())
    _until(lambda: set(temporary.iterdir()) - before)
    time.sleep(delay)
    campaign.kill()


def while_tidying_the_provider(campaign: NativeCampaign) -> None:
    """While files at the provider are removed: after the last commit, before the job has ended."""
    campaign.start()
    account = campaign.dice.choice(campaign.arena.accounts)
    campaign.arena.trouble(account.vendor, {"on": "delete", "do": "stall", "seconds": 0.15})
    fake = campaign.arena.fakes[account.vendor]
    campaign.create(campaign.new_order(70, account=account))
    before = fake.brief()["requests"].get("delete", 0)
    _until(lambda: fake.brief()["requests"].get("delete", 0) > before)
    campaign.mark("tidying the provider")
    time.sleep(campaign.dice.uniform(0.0, 0.5))
    campaign.kill()


def while_rescuing(campaign: NativeCampaign) -> None:
    """While lines that a job left are asked for one by one."""
    campaign.start()
    rescuing = [account for account in campaign.arena.accounts if account.rescue]
    made = campaign.new_order(150, account=campaign.dice.choice(rescuing))
    fake = campaign.arena.fakes[made.account.vendor]
    before = fake.brief()["requests"].get("online", 0)
    campaign.create(made)
    _until(lambda: fake.brief()["requests"].get("online", 0) > before)
    time.sleep(campaign.dice.uniform(0.0, 0.4))
    campaign.kill()


def while_there_is_no_room(campaign: NativeCampaign) -> None:
    """After a job has failed for want of room, which shows only some time after its creation."""
    campaign.start()
    made = campaign.new_order(260, account=_AZURE)
    campaign.create(made)
    _until(lambda: "failed" in _statuses(campaign, made))
    campaign.mark("no room")
    time.sleep(campaign.dice.uniform(0.0, 1.0))
    campaign.kill()


def while_refused(campaign: NativeCampaign) -> None:
    """While the provider's validation finds that it will not take any of it."""
    campaign.start()
    made = campaign.new_order(campaign.dice.choice((30, 150)), account=_OPENAI, doomed=True)
    campaign.create(made)
    _until(lambda: _jobs(campaign, made))
    campaign.mark("refused")
    time.sleep(campaign.dice.uniform(0.0, 0.5))
    campaign.kill()


def while_finalizing(campaign: NativeCampaign) -> None:
    """Right when a batch says `finalizing`, or a moment before or after."""
    campaign.start()
    account = next(account for account in campaign.arena.accounts if not account.rescue)
    made = campaign.new_order(campaign.dice.randrange(10, 30), account=account)
    campaign.create(made)
    client, batch_id = campaign.arena.client, made.batch_id or ""
    last = {"finalizing", "completed"}
    _until(lambda: client.batch(batch_id)["status"] in last)
    time.sleep(campaign.dice.choice([0.0, 0.0, campaign.dice.uniform(0.0, 0.02)]))
    campaign.kill()


def after_cancelling(campaign: NativeCampaign) -> None:
    """During a cancel, or after it was answered, wherever the jobs are by then."""
    campaign.start()
    made = campaign.new_order(150)
    campaign.create(made)
    time.sleep(campaign.dice.uniform(0.0, 1.2))

    def cancel() -> dict[str, Any]:
        made.cancelled = None
        try:
            answer = campaign.arena.client.cancel(made.batch_id or "")
        except Refused as error:
            if error.status != 409:
                raise
            made.cancelled = False  # it had ended
            return {}
        made.cancelled = True
        return answer

    campaign.mark("cancel")
    if campaign.dice.random() < 0.4:
        _race(campaign, cancel, within=campaign.dice.uniform(0.0, 0.01))
    else:
        cancel()
        time.sleep(campaign.dice.choice([0.0, campaign.dice.uniform(0.0, 0.8)]))
        campaign.kill()


def after_cancelling_for_want_of_room(campaign: NativeCampaign) -> None:
    """With an input at the provider, and no job for it: there will be none any more."""
    campaign.start_alone()
    account = campaign.dice.choice(campaign.arena.accounts)
    fake = campaign.arena.fakes[account.vendor]
    campaign.arena.trouble(account.vendor, {"on": "create", "do": "refuse", "status": 429})
    made = campaign.new_order(70, account=account)
    before = fake.brief()["requests"].get("create", 0)
    campaign.create(made)
    _until(lambda: fake.brief()["requests"].get("create", 0) > before)
    campaign.arena.client.cancel(made.batch_id or "")
    made.cancelled = True
    campaign.mark("cancel")
    time.sleep(campaign.dice.choice([0.0, campaign.dice.uniform(0.0, 0.5)]))
    campaign.kill()


def before_expiring(campaign: NativeCampaign) -> None:
    """With jobs at work; in the next life the window of their batch is over."""
    campaign.start()
    made = campaign.new_order(150)
    campaign.create(made)
    client, batch_id = campaign.arena.client, made.batch_id or ""
    # Before that there are no jobs, and a window that ends leaves no results.
    _until(lambda: client.batch(batch_id)["status"] != "validating")
    time.sleep(campaign.dice.uniform(0.1, 0.9))
    campaign.mark("before expiring")
    campaign.kill()
    campaign.let_expire(made)


def while_the_account_is_bad(campaign: NativeCampaign) -> None:
    """While a vendor refuses the key or wants to be paid; in the next life all is well again."""
    campaign.start()
    account = campaign.dice.choice(campaign.arena.accounts)
    campaign.create(campaign.new_order(150, account=account))
    time.sleep(campaign.dice.uniform(0.0, 1.0))
    fake = campaign.arena.fakes[account.vendor]
    if campaign.dice.random() < 0.5:
        fake.control(revoked=True)
    else:
        campaign.arena.trouble(account.vendor, {"on": "*", "do": "refuse", "status": 402})
    campaign.create(campaign.new_order(70, account=account))
    campaign.mark("account bad")
    time.sleep(campaign.dice.uniform(0.2, 1.5))
    campaign.kill()
    fake.control(revoked=False)


def while_providers_are_renamed(campaign: NativeCampaign) -> None:
    """A life in which the providers have other names; the next one has them back."""
    while campaign.validating:
        # What was not accepted under the old names would rightly be refused under the new ones.
        campaign.start_alone()
        time.sleep(1.0)
        campaign.kill()
    campaign.arena.configure(suffix="-renamed")
    campaign.start_alone()
    campaign.mark("providers renamed")
    time.sleep(campaign.dice.uniform(0.2, 1.5))
    campaign.kill()
    campaign.arena.configure()


def while_starting(campaign: NativeCampaign) -> None:
    """Before the server answers: imports, lock, migrations, recovery of the engine."""
    campaign.arena.server.start(cold=True)
    time.sleep(campaign.dice.uniform(0.3, 1.6))
    campaign.kill()


def while_recovering(campaign: NativeCampaign) -> None:
    """Just after the server answers, while it takes its batches up again."""
    campaign.start_alone()
    time.sleep(campaign.dice.uniform(0.0, 0.6))
    campaign.kill()


DECK: tuple[Appointment, ...] = (
    while_ingesting,
    while_encoding,
    while_uploading,
    before_storing_the_job,
    before_storing_the_job,
    after_a_lost_creation,
    while_polling,
    while_collecting,
    while_collecting,
    while_committing,
    while_tidying_the_provider,
    while_rescuing,
    while_there_is_no_room,
    while_refused,
    while_finalizing,
    after_cancelling,
    after_cancelling_for_want_of_room,
    before_expiring,
    while_the_account_is_bad,
    while_providers_are_renamed,
    while_starting,
    while_recovering,
)

# Where no job fails for want of room, or for its model, after a while.
_FAILS_LATER = {while_there_is_no_room, while_refused}
BEDROCK_DECK = tuple(each for each in DECK if each not in _FAILS_LATER)

# What a few kills must not miss: each of them is where a job can be paid for twice, or lost.
SHORT: tuple[Appointment, ...] = (
    before_storing_the_job,
    after_a_lost_creation,
    while_uploading,
    while_collecting,
    while_tidying_the_provider,
    while_rescuing,
    while_there_is_no_room,
    after_cancelling,
    after_cancelling_for_want_of_room,
    before_expiring,
    while_the_account_is_bad,
    while_providers_are_renamed,
    while_recovering,
)


BEDROCK_SHORT: tuple[Appointment, ...] = (
    before_storing_the_job,
    after_a_lost_creation,
    while_collecting,
)


def keep(campaign: NativeCampaign, kills: int, *, deck: tuple[Appointment, ...] = DECK) -> None:
    """Keep appointments until the server has been killed so many times."""
    left: list[Appointment] = []
    while campaign.kills < kills:
        if not left:
            left = list(deck)
            campaign.dice.shuffle(left)
        left.pop()(campaign)


def _at_request(campaign: NativeCampaign, kind: str, account: Account, *, within: float) -> None:
    """Kill after a vendor has done what one request asks for, and before it answers."""
    campaign.start_alone()
    fake = campaign.arena.fakes[account.vendor]
    campaign.arena.trouble(account.vendor, {"on": kind, "do": "stall", "seconds": 2 * within})
    before = fake.brief()["requests"].get(kind, 0)
    campaign.create(campaign.new_order(account=account))
    _until(lambda: fake.brief()["requests"].get(kind, 0) > before)
    time.sleep(campaign.dice.uniform(0.0, within))
    campaign.kill()


def _jobs(campaign: NativeCampaign, made: NativeOrder) -> list[dict[str, Any]]:
    """The jobs of an order's batch, as its vendor knows them."""
    start = f"batchway-{(made.batch_id or '').removeprefix('batch_')}-"
    jobs = campaign.arena.fakes[made.account.vendor].brief()["jobs"]
    return [job for job in jobs if job["filename"].startswith(start)]


def _statuses(campaign: NativeCampaign, made: NativeOrder) -> set[str]:
    return {job["status"] for job in _jobs(campaign, made)}


def _race(campaign: NativeCampaign, call: Callable[[], dict[str, Any]], *, within: float) -> None:
    """Make a call and kill the server meanwhile."""
    defects: list[BaseException] = []

    def make() -> None:
        try:
            call()
        except Gone:
            return
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            defects.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    time.sleep(within)
    campaign.kill()
    thread.join()
    if defects:
        raise defects[0]


def _until(condition: Callable[[], object]) -> None:
    """Wait for a moment, without missing it by more than the look takes; not for ever."""
    deadline = time.monotonic() + _PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)
