"""Tokens that are kept: one that is doubted while another caller takes it."""

from collections.abc import Callable

from tests.unit.fakes import FakeClock

from batchway.providers.http.tokens import KeptTokens, Token


class _Clock(FakeClock):
    """Calls what stands in `looks` before it tells the time, one at a time."""

    def __init__(self) -> None:
        super().__init__(now=0.0)
        self.looks: list[Callable[[], None]] = []

    def now(self) -> float:
        if self.looks:
            self.looks.pop(0)()
        return self.time


def test_a_token_that_is_doubted_while_it_is_taken_is_given_all_the_same() -> None:
    clock, token = _Clock(), Token(value="t", until=1_000.0)
    kept = KeptTokens(fetch=lambda: token, clock=clock)
    assert kept.wait() is token

    def ends() -> None:
        clock.time = 990.0  # so that the caller waits for its turn to renew

    def renewed_and_refused() -> None:
        clock.time = 500.0  # as after a renewal by another thread
        assert kept.doubt()

    clock.looks = [ends, renewed_and_refused]
    assert kept.wait() is token
