"""Where a request comes from, for the limits per address: behind proxies that we trust it is what they say.

An IPv6 address stands for its /64, since whoever has one has all of that.
"""

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web


def address_of(request: web.Request, trusted_proxies: str) -> str:
    """The address of a request's client; `trusted_proxies` as in the settings."""
    forwarded = request.headers.getall("X-Forwarded-For", ()) if trusted_proxies else ()
    return client_address(request.remote or "", ",".join(forwarded), trusted_proxies)


@lru_cache(maxsize=4096)
def client_address(remote: str, forwarded: str, trusted_proxies: str) -> str:
    """The last address on the way that is no trusted proxy: what stands before it in `forwarded` anybody may have written."""
    networks = [ip_network(each.strip(), strict=False) for each in trusted_proxies.split(",") if each.strip()]
    address = remote
    for hop in (each.strip() for each in reversed(forwarded.split(","))):
        try:
            if not any(ip_address(address) in network for network in networks):
                break
            ip_address(hop)
        except ValueError:
            break
        address = hop
    return _block_of(address)


def _block_of(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, 64), strict=False))
