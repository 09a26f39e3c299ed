"""Where a provider may send a download to: not from the outside into this network.

A provider out there must not make this machine read what only this machine can: its own ports, its
neighbours, a cloud's metadata service. One that stands in this network itself may: its storage is
often its neighbour.

Owns that question, for literal addresses in every form and for names, also when a name changes its
address between the question and the connection. Does not own connections (`session`).
"""

import asyncio
import ipaddress
import socket
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def joined(before: URL, location: str) -> URL | None:
    """Where a redirect leads to; `None` for nowhere, and from https down to http."""
    try:
        target = before.join(URL(location, encoded=True))
        usable = target.scheme in {"http", "https"} and bool(target.host) and bool(location)
        (target.host or "").encode("idna")  # a label that is too long is no ClientError later
    except ValueError:
        return None
    if not usable or (before.scheme == "https" and target.scheme != "https"):
        return None
    return target


async def leads_inside(target: URL) -> bool:
    """Whether a host is of this network, by any of its addresses. Unknown names are not."""
    host = target.host or ""
    literal = literal_of(host)
    if literal is not None:
        return not is_public(literal)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    hosts = {str(entry[4][0]).split("%")[0] for entry in found}
    return any(not is_public(ipaddress.ip_address(address)) for address in hosts)


def literal_of(host: str) -> _Address | None:
    """The address that a host is, also as `127.1`, `0x7f000001`, `017700000001` or `2130706433`."""
    host = host.strip("[]").split("%")[0]
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def is_public(address: _Address) -> bool:
    """Whether anybody on the internet could reach it just as well."""
    if isinstance(address, ipaddress.IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if within is None and address in _NAT64:
            within = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if within is not None:
            return is_public(within)
    return address.is_global and not address.is_multicast


class PublicResolver(AbstractResolver):
    """Names to addresses, public ones only."""

    def __init__(self) -> None:
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The public addresses of a name. Raises `OSError` when it has none."""
        found = await self._resolver.resolve(host, port, family)
        public = [entry for entry in found if is_public(ipaddress.ip_address(entry["host"]))]
        if not public:
            raise OSError("the name leads into this network")
        return public

    async def close(self) -> None:
        """Close what it holds."""
        await self._resolver.close()
