"""Which proxy of the environment, if any, a request goes through.

Decided here once for each address: aiohttp's own `trust_env` asks the environment and `~/.netrc`
in a thread for every request, and lets `.netrc` override a provider's key.
"""

import ipaddress
from urllib.request import getproxies, proxy_bypass

from yarl import URL


def proxy_for(url: URL, *, host: str = "the provider's host") -> URL | None:
    """The proxy by `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case.

    This machine itself is always reached directly.

    Raises:
        ValueError: the proxy is none that speaks HTTP. The message calls what is reached `host`,
            and does not repeat the proxy's address: it may hold a password.
    """
    name = url.host
    if name is None or _is_this_machine(name) or proxy_bypass(name):
        return None
    proxies = getproxies()
    kind = url.scheme if proxies.get(url.scheme) else "all"
    found = proxies.get(kind)
    if not found:
        return None
    try:
        proxy = URL(found if "://" in found else f"http://{found}")
        usable = proxy.scheme in {"http", "https"} and proxy.raw_host
    except ValueError:
        usable, proxy = False, URL()
    if not usable:
        raise ValueError(
            f"the proxy in the environment variable {kind.upper()}_PROXY is not an http:// or "
            "https:// address, and other kinds (SOCKS) are not supported; change it, or name "
            f"{host} in NO_PROXY"
        ) from None
    return proxy


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
