"""Receivers of webhooks: which addresses may be sent to, and one request to an address that was checked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

# Public by its number, and yet the inside of a cloud: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
INSIDE = frozenset({ip_address("168.63.129.16")})
LAST_PORT = 65535
OWN_NAMES = ("localhost", "localhost.localdomain")
NAT64 = ip_network("64:ff9b::/96")
COMPATIBLE = ip_network("::/96")


class NotAllowed(Exception):
    """The address is private, loopback or link-local, and GREENROOM_WEBHOOK_NETWORKS does not name it."""


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended; `said` is short and stable, and has nothing of what the receiver wrote."""

    arrived: bool
    said: str


def resolved(host: str, port: int) -> list[str]:
    """The addresses that the name has now. Raises OSError if it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Receivers:
    """Sends to public addresses and to those of `networks`. `resolve` and `transport` stand in for the network."""

    def __init__(
        self,
        networks: Sequence[Network] = (),
        *,
        resolve: Resolve = resolved,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._networks = networks
        self._resolve = resolve
        self._transport = transport

    def check(self, url: str) -> None:
        """Returns unless it can be told without asking anybody that it is not for us. Raises NotAllowed, ValueError."""
        host = _parsed(url).host
        address = literal(host)
        if address is not None:
            self._check_address(address)
        elif host.rstrip(".").lower() in OWN_NAMES or host.rstrip(".").lower().endswith(".localhost"):
            self._check_address(ip_address("127.0.0.1"))

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float) -> Outcome:
        """One request. Whatever comes of it is the outcome: 2xx has arrived, and a redirect is not followed."""
        try:
            target = _parsed(url)
            return self._post(target, self._addresses(target), headers, body, seconds)
        except NotAllowed:
            return Outcome(False, "its address is private, loopback or link-local")
        except httpx.TimeoutException:
            return Outcome(False, "timed out")
        except httpx.ConnectError:
            return Outcome(False, "could not be connected to")
        except httpx.HTTPError:
            return Outcome(False, "broke off")
        except (OSError, ValueError):
            return Outcome(False, "its name leads nowhere")

    def _addresses(self, target: httpx.URL) -> list[Address]:
        """What the name leads to at this moment, all of it allowed: the request goes there and nowhere else."""
        given = literal(target.host)
        port = target.port or {"https": 443}.get(target.scheme, 80)
        found = [given] if given else [ip_address(address) for address in self._resolve(target.host, port)]
        for address in found:
            self._check_address(address)
        return found

    def _post(
        self, target: httpx.URL, addresses: list[Address], headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Outcome:
        """To the first of the addresses that can be connected to; under its own name, for the certificate as well."""
        refused = httpx.ConnectError("no address")
        named = {**headers, "Host": target.netloc.decode("ascii")}
        extensions = {"sni_hostname": target.host, "timeout": httpx.Timeout(seconds).as_dict()}
        for address in addresses:
            pinned = target.copy_with(host=str(address))
            request = httpx.Request("POST", pinned, headers=named, content=body, extensions=extensions)
            try:
                answer = self._connected().handle_request(request)
            except httpx.ConnectError as error:
                refused = error
                continue
            answer.close()
            return Outcome(answer.is_success, f"answered {answer.status_code}")
        raise refused

    def _connected(self) -> httpx.BaseTransport:
        """Without a client around it, which would log the address and follow where it is told to.

        No connection is kept: one to an address may have been opened under another name. No proxy is used: it would
        look the name up once more.
        """
        if self._transport is None:
            self._transport = httpx.HTTPTransport(
                verify=httpx.create_ssl_context(), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
            )
        return self._transport

    def _check_address(self, address: Address) -> None:
        for meant in _meant(address):
            named = any(meant.version == network.version and meant in network for network in self._networks)
            if not named and not is_public(meant):
                raise NotAllowed


def is_public(address: Address) -> bool:
    """Whether it is anybody's on the internet, and nobody's in here."""
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in INSIDE


def literal(host: str) -> Address | None:
    """The address that a host spells, in every spelling that a resolver takes for one (2130706433, 0x7f.1); or None."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


def _meant(address: Address) -> Iterator[Address]:
    """The address, or the IPv4 one that it stands for."""
    if isinstance(address, IPv4Address):
        yield address
        return
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and (address in NAT64 or (address in COMPATIBLE and int(address) > 1)):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    yield inner if inner is not None else address


def _parsed(url: str) -> httpx.URL:
    """Raises ValueError for what is no address of the web."""
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError("not an address") from error
    if target.scheme not in ("http", "https") or not target.host or target.userinfo:
        raise ValueError("not an address")
    if target.port is not None and not 0 < target.port <= LAST_PORT:
        raise ValueError("not a port")
    return target
