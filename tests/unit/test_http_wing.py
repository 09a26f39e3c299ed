"""What every request to a provider has in common: its headers, and that its secrets stay one."""

from batchway import __version__
from batchway.providers.http.headers import with_defaults
from batchway.providers.http.secrets import SentSecrets


def test_a_provider_may_set_what_every_request_carries() -> None:
    given = {"User-Agent": "acme", "authorization": "Bearer k"}
    assert dict(with_defaults(given)) == {
        "User-Agent": "acme",
        "authorization": "Bearer k",
        "accept": "*/*",
        "accept-encoding": "identity",
    }
    assert given == {"User-Agent": "acme", "authorization": "Bearer k"}
    assert with_defaults({})["user-agent"] == f"batchway/{__version__}"


def test_the_latest_credentials_are_remembered() -> None:
    sent = SentSecrets()
    sent.note({"Authorization": "Bearer first", "api-key": "abc", "cookie": "plain"})
    assert sent.all() == ("first",)
    for number in range(31):
        sent.note({"x-api-key": f"key-{number}"})
    sent.note({"authorization": "Bearer first"})
    sent.note({"api-key": "last"})
    assert sent.all() == (*(f"key-{number}" for number in range(1, 31)), "first", "last")
