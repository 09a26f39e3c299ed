"""Which proxy the environment names for an address."""

import pytest
from yarl import URL

from batchway.providers.http.proxies import proxy_for

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, "https://api.example/", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://api.example/", "http://p:1"),
        ({"https_proxy": "http://p:1"}, "https://api.example/", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://api.example/", None),
        ({"HTTPS_PROXY": "p:1"}, "https://api.example/", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "http://api.example/", "http://p:1"),
        ({"ALL_PROXY": "http://a:1"}, "https://api.example/", "http://a:1"),
        ({"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://p:1"}, "https://x/", "http://p:1"),
        ({"ALL_PROXY": "http://a:1", "NO_PROXY": "example"}, "https://api.example/", None),
        ({"ALL_PROXY": "http://a:1", "NO_PROXY": "*"}, "https://api.example/", None),
        ({"ALL_PROXY": "http://a:1"}, "http://localhost:8000/", None),
        ({"ALL_PROXY": "http://a:1"}, "http://127.0.0.9/", None),
        ({"ALL_PROXY": "http://a:1"}, "http://[::1]:8000/", None),
    ],
)  # fmt: skip
def test_the_proxy_of_an_address(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, expected: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(URL(url)) == (None if expected is None else URL(expected))


@pytest.mark.parametrize("proxy", ["socks5://u:s3cret@p:1", "http://[s3cret"])
def test_a_proxy_that_speaks_no_http_is_an_error_that_does_not_repeat_it(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ValueError, match="proxy") as caught:
        proxy_for(URL("https://api.example/"))
    assert "s3cret" not in repr(caught.value)
