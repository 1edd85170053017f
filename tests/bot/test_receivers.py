"""Which addresses webhooks may be sent to: anybody's on the internet, and nobody's in here unless it is named."""

from __future__ import annotations

from ipaddress import ip_network

import httpx
import pytest

from bot.receivers import NotAllowed, Outcome, Receivers
from tests.receiver import LOOPBACK

INSIDE = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "168.63.129.16", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1",
    "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1",
]  # fmt: skip
OUTSIDE = ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
SPELLINGS = ["2130706433", "0x7f.1", "017700000001", "127.1", "0", "localhost", "LOCALHOST.", "a.localhost"]


def sent(*addresses: str, networks: tuple[str, ...] = ()) -> tuple[list[str], Outcome]:
    """Where a request went whose name leads to these addresses, and what came of it."""
    went: list[str] = []

    def receive(request: httpx.Request) -> httpx.Response:
        went.append(request.url.host)
        return httpx.Response(204)

    receivers = Receivers(
        [ip_network(network) for network in networks],
        resolve=lambda *_: list(addresses),
        transport=httpx.MockTransport(receive),
    )
    return went, receivers.post("https://hooks.example/x", {}, b"{}", seconds=1)


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_is_sent_inside(address: str) -> None:
    assert sent(address) == ([], Outcome(False, "its address is private, loopback or link-local"))
    assert sent("93.184.215.14", address)[0] == []


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is_sent_to(address: str) -> None:
    went, outcome = sent(address)
    assert (len(went), outcome) == (1, Outcome(True, "answered 204"))


@pytest.mark.parametrize(("address", "network"), [("10.1.2.3", "10.1.0.0/16"), ("fd00:1::5", "fd00:1::/64")])
def test_a_network_that_is_named_is_sent_to(address: str, network: str) -> None:
    assert sent(address, networks=(network,))[0] == [address]
    assert sent("10.2.0.1", networks=(network,))[0] == []


def test_a_mapped_address_is_of_the_network_that_it_stands_for() -> None:
    assert len(sent("::ffff:10.1.2.3", networks=("10.1.0.0/16",))[0]) == 1


@pytest.mark.parametrize("host", [*SPELLINGS, *(f"[{one}]" if ":" in one else one for one in INSIDE)])
def test_what_spells_an_address_inside_is_seen_without_asking_anybody(host: str) -> None:
    with pytest.raises(NotAllowed):
        Receivers().check(f"http://{host}:8080/x")


@pytest.mark.parametrize("url", ["https://hooks.example/x", "http://93.184.215.14", "https://[2606:4700::1111]/"])
def test_a_name_may_be_anything_until_it_is_sent_to(url: str) -> None:
    Receivers().check(url)


@pytest.mark.parametrize("url", ["ftp://x.example", "https://user:word@x.example", "https://", "x", "http://a:99999/"])
def test_what_is_no_address_of_the_web_is_none(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it says nothing more
        Receivers().check(url)


def test_loopback_is_allowed_where_it_is_named() -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        Receivers(LOOPBACK[:1] if host != "[::1]" else LOOPBACK).check(f"http://{host}/")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ReadTimeout("x"), "timed out"),
        (httpx.ConnectTimeout("x"), "timed out"),
        (httpx.ConnectError("x"), "could not be connected to"),
        (httpx.RemoteProtocolError("x"), "broke off"),
    ],
)
def test_what_goes_wrong_has_a_short_name(error: Exception, said: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    receivers = Receivers(resolve=lambda *_: ["93.184.215.14"], transport=httpx.MockTransport(fail))
    assert receivers.post("https://hooks.example/canary", {}, b"", seconds=1) == Outcome(False, said)


def test_a_name_without_an_address_leads_nowhere() -> None:
    def resolve(*_: object) -> list[str]:
        raise OSError("no such host")

    assert Receivers(resolve=resolve).post("https://x.example", {}, b"", seconds=1).said == "its name leads nowhere"


def test_the_next_address_is_tried_where_the_first_cannot_be_connected_to() -> None:
    went: list[str] = []

    def receive(request: httpx.Request) -> httpx.Response:
        went.append(request.url.host)
        if len(went) == 1:
            raise httpx.ConnectError("no route")
        return httpx.Response(200)

    addresses = ["2606:4700::1111", "93.184.215.14"]
    receivers = Receivers(resolve=lambda *_: addresses, transport=httpx.MockTransport(receive))
    assert receivers.post("https://x.example", {}, b"", seconds=1).arrived
    assert went == addresses
