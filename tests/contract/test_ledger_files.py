"""`ports.Files` over every database."""

from itertools import pairwise

import pytest
from tests.contract.ledger_values import a_batch, a_file

from batchway.domain.errors import Conflict
from batchway.domain.file import File, Purpose
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Ledger, Order, Page

DESC, ASC = Order.DESC, Order.ASC


async def stored(ledger: Ledger, *files: File) -> tuple[File, ...]:
    return tuple([await ledger.files.add(file) for file in files])


@pytest.mark.parametrize(
    "file",
    [
        a_file(),
        a_file(expires_at=2_000, purpose=Purpose.BATCH_OUTPUT, bytes=6 * 2**30),
        a_file(filename="ünïcode 文件 'quoted\".jsonl", purpose=Purpose.FINE_TUNE),
    ],
)
async def test_a_file_comes_back_as_it_went_in(ledger: Ledger, file: File) -> None:
    assert await ledger.files.add(file) == file
    assert await ledger.files.get("blue", file.id) == file


async def test_the_same_id_twice_is_a_conflict(ledger: Ledger) -> None:
    await stored(ledger, a_file())
    with pytest.raises(Conflict):
        await ledger.files.add(a_file(filename="other"))
    assert await ledger.files.get("blue", a_file().id) == a_file()


async def test_a_foreign_file_answers_as_an_unknown_one(ledger: Ledger) -> None:
    (file,) = await stored(ledger, a_file())
    assert await ledger.files.get("red", file.id) is None
    assert await ledger.files.remove("red", file.id) is None
    assert await ledger.files.page("red", purpose=None, limit=10, after=None, order=DESC) == Page(
        items=(), more=False
    )
    assert await ledger.files.page("red", purpose=None, limit=10, after=file.id, order=DESC) is None
    assert await ledger.files.get("blue", file.id) == file


async def test_pages_follow_creation_though_times_are_equal(ledger: Ledger) -> None:
    # Ids are in no order of their own, and another tenant's files lie in between.
    numbers = [5, 3, 9, 1, 7]
    files: list[File] = []
    for number in numbers:
        files.extend(await stored(ledger, a_file(number)))
        await stored(ledger, a_file(number + 100, tenant="red"))
    for order, expected in ((ASC, files), (DESC, files[::-1])):
        after: str | None = None
        seen: list[File] = []
        for more in (True, True, False):
            page = await ledger.files.page("blue", purpose=None, limit=2, after=after, order=order)
            assert page is not None
            assert page.more is more
            seen.extend(page.items)
            after = page.items[-1].id
        assert seen == expected
        assert await ledger.files.page(
            "blue", purpose=None, limit=2, after=after, order=order
        ) == Page(items=(), more=False)


async def test_pages_are_by_time_whatever_was_written_first(ledger: Ledger) -> None:
    # A clock that was set back; files of one second follow on in the order they were written.
    times = {1: 50, 2: 30, 3: 50, 4: 40, 5: 30}
    files = {
        number: (await stored(ledger, a_file(number, created_at=at)))[0]
        for number, at in times.items()
    }
    expected = [files[number] for number in (2, 5, 4, 1, 3)]
    for purpose in (None, a_file().purpose):
        for order, wanted in ((ASC, expected), (DESC, expected[::-1])):
            seen: list[File] = []
            more = True
            while more:
                page = await ledger.files.page(
                    "blue",
                    purpose=purpose,
                    limit=2,
                    after=seen[-1].id if seen else None,
                    order=order,
                )
                assert page is not None
                seen.extend(page.items)
                more = page.more
            assert seen == wanted


async def test_a_page_that_ends_exactly_at_the_last_file_has_no_more(ledger: Ledger) -> None:
    files = await stored(ledger, a_file(1), a_file(2))
    page = await ledger.files.page("blue", purpose=None, limit=2, after=None, order=ASC)
    assert page == Page(items=files, more=False)


async def test_pages_of_one_purpose(ledger: Ledger) -> None:
    output = Purpose.BATCH_OUTPUT
    files = await stored(
        ledger, a_file(1), a_file(2, purpose=output), a_file(3), a_file(4, purpose=output)
    )
    page = await ledger.files.page("blue", purpose=output, limit=10, after=None, order=DESC)
    assert page == Page(items=(files[3], files[1]), more=False)
    # A cursor of another purpose is still a file of the tenant.
    page = await ledger.files.page("blue", purpose=output, limit=10, after=files[2].id, order=DESC)
    assert page == Page(items=(files[1],), more=False)


@pytest.mark.parametrize("order", [ASC, DESC])
async def test_a_cursor_that_names_no_file(ledger: Ledger, order: Order) -> None:
    (removed,) = await stored(ledger, a_file(1))
    await stored(ledger, a_file(2))
    await ledger.files.remove("blue", removed.id)
    for unknown in ("file-unknown", removed.id, ""):
        page = await ledger.files.page("blue", purpose=None, limit=2, after=unknown, order=order)
        assert page is None


async def test_removing_forgets_the_row_once(ledger: Ledger) -> None:
    (file,) = await stored(ledger, a_file())
    assert await ledger.files.remove("blue", file.id) == file
    assert await ledger.files.remove("blue", file.id) is None
    assert await ledger.files.get("blue", file.id) is None


async def test_a_new_file_follows_removed_ones(ledger: Ledger) -> None:
    first, last = await stored(ledger, a_file(1), a_file(2))
    await ledger.files.remove("blue", last.id)
    (new,) = await stored(ledger, a_file(3))
    page = await ledger.files.page("blue", purpose=None, limit=9, after=None, order=DESC)
    assert page == Page(items=(new, first), more=False)


async def test_expired_files_of_every_tenant(ledger: Ledger) -> None:
    files = await stored(
        ledger,
        a_file(1, expires_at=30),
        a_file(2, expires_at=10, tenant="red"),
        a_file(3, expires_at=20),
        a_file(4, expires_at=31),
        a_file(5),
    )
    assert await ledger.files.expired(30, 10) == [files[1], files[2], files[0]]
    assert await ledger.files.expired(30, 2) == [files[1], files[2]]
    assert await ledger.files.expired(9, 10) == []


async def test_bytes_are_in_use_by_a_file(ledger: Ledger) -> None:
    (file,) = await stored(ledger, a_file())
    assert await ledger.files.blob_in_use(file.blob)
    assert not await ledger.files.blob_in_use("files/other")
    await ledger.files.remove("blue", file.id)
    assert not await ledger.files.blob_in_use(file.blob)


@pytest.mark.parametrize("status", list(BatchStatus))
async def test_bytes_are_in_use_by_a_batch_until_it_ends(
    ledger: Ledger, status: BatchStatus
) -> None:
    await ledger.batches.add(a_batch(status=status, input_blob="files/7"))
    assert await ledger.files.blob_in_use("files/7") is (status not in TERMINAL)


async def test_pages_never_overlap(ledger: Ledger) -> None:
    files = await stored(ledger, *(a_file(number) for number in range(30)))
    cursors = [None, *(file.id for file in files[::-1])]
    for before, after in pairwise(cursors):
        page = await ledger.files.page("blue", purpose=None, limit=1, after=before, order=DESC)
        assert page is not None
        assert [file.id for file in page.items] == [after]
