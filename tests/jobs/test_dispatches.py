"""An event reaches the webhooks that listen: signed, in order, at least once, and never where it must not go."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from bot.context import Context
from bot.receivers import Receivers
from jobs.worker import Worker
from jobs.workshop import Workshop
from storage.audit import Audit
from storage.events import Dispatch, Event
from storage.queue import QueueName
from storage.tasks import Task
from storage.webhooks import Webhook
from tests.bot.api.client import Api, Reply
from tests.receiver import LOOPBACK, Receiver, listening
from tests.world import World

SECRET = "canary secret of the webhook"
ALL = [
    "assignment.created", "assignment.queued", "assignment.extended", "assignment.released", "assignment.expired",
    "assignment.transitioned", "instance.error", "pool.exhausted",
]  # fmt: skip


@dataclass
class Site:
    """A Greenroom that may send to loopback, and a receiver there."""

    world: World
    api: Api
    receiver: Receiver

    def webhook(self, **body: Any) -> dict[str, Any]:
        given = {"url": self.receiver.url, "events": ALL, "secret": SECRET, **body}
        reply = self.api.owner.post("/webhooks", given)
        assert reply.status == 201, reply.text
        made: dict[str, Any] = reply.body
        return made

    def trigger(self, event: str = "pool.exhausted", payload: Any = None) -> str:
        reply = self.api.owner.post("/webhooks/trigger", {"event": event, "payload": payload})
        assert reply.status == 200, reply.text
        event_id: str = reply.body["eventId"]
        return event_id

    def state(self, webhook: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.api.owner.get(f"/webhooks/{webhook['id']}").body
        return found

    def sends_through(self, receivers: Receivers) -> None:
        shop = Workshop(self.world.context, receivers=receivers)
        self.world.workers[QueueName.OUTGOING] = Worker(shop, QueueName.OUTGOING)


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    """The web process and the workers know of the networks; the sender is a real one."""
    settings = replace(world.context.settings, webhook_networks=LOOPBACK)
    context = Context.of(settings, world.database, world.clock)
    with listening() as receiver:
        built = Site(world, Api(world, context=context), receiver)
        built.sends_through(Receivers(LOOPBACK))
        yield built


def test_what_people_do_reaches_the_receiver_signed(site: Site) -> None:
    site.webhook(headers={"X-Team": "platform"})
    site.api.spare()
    site.api.assign("123")
    site.world.work()

    [received] = site.receiver.received
    assert received.path == "/hook"
    assert received.is_signed(SECRET)
    assert received.headers["X-Greenroom-Event"] == "assignment.created"
    assert received.headers["X-Greenroom-Event-Id"] == received.body["id"]
    assert received.headers["X-Team"] == "platform"
    assert received.headers["Host"] == f"127.0.0.1:{site.receiver.port}"
    assert received.body["triggered"] is False
    assert received.body["data"]["sandboxName"] == "cor0"


def test_the_bot_and_the_sweep_tell_as_rest_does(site: Site) -> None:
    site.webhook()
    pool = site.world.pool(max_total=1)
    first = site.world.opens("alice")
    site.world.opens("bob", head="other")
    site.world.comments(first, "wendy", "/extend 24h")
    site.world.later(hours=100)
    assert site.receiver.events[:5] == [
        "assignment.created", "assignment.queued", "pool.exhausted", "assignment.extended", "assignment.expired",
    ]  # fmt: skip
    assert site.world.counts(pool).total <= 1


def test_events_arrive_in_the_order_in_which_things_happened(site: Site) -> None:
    site.webhook(retryDelay=1000)
    site.api.spare(free=3)
    site.receiver.answers = [500]
    for id in ("1", "2", "3"):
        site.api.assign(id)
    site.world.work()
    assert len(site.receiver.received) == 1  # the others wait behind it
    site.world.later(seconds=2)
    told = [received.body["data"]["assignmentId"] for received in site.receiver.received]
    assert told == ["1", "1", "2", "3"]


# What does not arrive


def test_what_does_not_arrive_is_tried_again_under_the_same_id(site: Site) -> None:
    webhook = site.webhook(retryCount=3, retryDelay=60_000)
    site.receiver.answers = [500, 429, 302]
    site.trigger()
    site.world.work()
    assert site.state(webhook)["lastOutcome"] == "answered 500"
    for minutes in (1, 2, 4):
        site.world.later(minutes=minutes, seconds=-1)
        site.world.later(seconds=2)
    assert len(site.receiver.received) == 4
    assert len({received.raw for received in site.receiver.received}) == 1
    assert len({received.headers["X-Greenroom-Signature-256"] for received in site.receiver.received}) == 1
    [row] = site.world.rows(Dispatch)
    assert (row.state, row.attempts, row.outcome) == ("sent", 4, "answered 204")


def test_the_waits_between_the_attempts_double(site: Site) -> None:
    site.webhook(retryCount=2, retryDelay=60_000)
    site.receiver.answers = [500] * 9
    site.trigger()
    site.world.work()
    heard = []
    for _ in range(8):
        site.world.later(seconds=30)
        heard.append(len(site.receiver.received))
    assert heard == [1, 2, 2, 2, 2, 3, 3, 3]
    [row] = site.world.rows(Dispatch)
    assert (row.state, row.attempts) == ("failed", 3)


def test_after_ten_in_a_row_the_webhook_has_failed_until_somebody_mends_it(site: Site) -> None:
    webhook = site.webhook(retryCount=0)
    site.receiver.answers = [500] * 10
    for _ in range(9):
        site.trigger()
        site.world.work()
    assert (site.state(webhook)["status"], site.state(webhook)["failedInARow"]) == ("active", 9)
    site.trigger()
    missed = site.trigger("instance.error")
    site.world.work()
    assert site.state(webhook)["status"] == "failed"
    [row] = [row for row in site.world.rows(Audit) if row.action == "webhook.failed"]
    assert row.details == {"name": None, "reason": "answered 500"}
    assert len(site.receiver.received) == 10
    assert site.api.owner.post("/webhooks/trigger", {"event": "pool.exhausted"}).body["webhooks"] == 0

    mended = site.api.owner.patch(f"/webhooks/{webhook['id']}", {"status": "active"}).body
    site.world.work()
    assert (mended["status"], mended["failedInARow"]) == ("active", 0)
    assert site.receiver.ids[10:] == [missed]


def test_one_that_arrives_ends_the_row_of_failures(site: Site) -> None:
    webhook = site.webhook(retryCount=0)
    site.receiver.answers = [500] * 9
    for _ in range(10):
        site.trigger()
        site.world.work()
    assert site.state(webhook)["failedInARow"] == 0


def test_a_redirect_is_not_followed(site: Site) -> None:
    with listening() as elsewhere:
        webhook = site.webhook(retryCount=0)
        site.receiver.answers, site.receiver.location = [307], elsewhere.url
        site.trigger()
        site.world.work()
        assert elsewhere.received == []
    assert site.state(webhook)["lastOutcome"] == "answered 307"


def test_a_slow_receiver_is_not_waited_for_longer_than_was_said(site: Site) -> None:
    answered = threading.Event()
    webhook = site.webhook(timeout=1000, retryCount=0)

    def wait() -> None:
        answered.wait(10)

    site.receiver.meanwhile = wait
    site.trigger()
    site.world.work()
    answered.set()
    assert site.state(webhook)["lastOutcome"] == "timed out"


def test_a_receiver_that_is_not_there_is_said_to_be_not_there(site: Site) -> None:
    with listening() as gone:
        webhook = site.webhook(url=gone.url, retryCount=0)
    site.trigger()
    site.world.work()
    assert site.state(webhook)["lastOutcome"] == "could not be connected to"


# A worker that dies


def test_a_worker_that_dies_while_it_sends_has_it_sent_again_under_the_same_id(site: Site) -> None:
    site.webhook()
    site.trigger()

    def taken_over() -> None:
        """The worker has stopped renewing its claim, and another finishes its work before it comes back."""
        site.receiver.meanwhile = lambda: None
        site.world.clock.advance(seconds=30)
        Worker(Workshop(site.world.context, receivers=Receivers(LOOPBACK)), QueueName.OUTGOING).drain()

    site.receiver.meanwhile = taken_over
    site.world.work()
    assert len(site.receiver.received) == 2
    assert len(set(site.receiver.ids)) == 1
    [row] = site.world.rows(Dispatch)
    assert (row.state, row.attempts) == ("sent", 2)


def test_two_workers_send_each_event_once_and_in_order(site: Site) -> None:
    site.webhook()
    sent = [site.trigger() for _ in range(12)]
    workers = [
        Worker(Workshop(site.world.context, receivers=Receivers(LOOPBACK)), QueueName.OUTGOING) for _ in range(2)
    ]
    threads = [threading.Thread(target=worker.drain) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.world.work()
    assert site.receiver.ids == sent


# Where it must not go


def test_a_name_that_leads_inside_is_found_out_when_it_is_sent(site: Site) -> None:
    webhook = site.webhook(url="https://hooks.example/x", retryCount=0)
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(f"{host}:{port}")
        return ["93.184.215.14", "169.254.169.254"]

    transport = httpx.MockTransport(lambda _: pytest.fail("it was sent"))
    site.sends_through(Receivers(resolve=resolve, transport=transport))
    site.trigger()
    site.world.work()
    assert asked == ["hooks.example:443"]
    assert site.state(webhook)["lastOutcome"] == "its address is private, loopback or link-local"


def test_what_was_checked_is_what_is_connected_to(site: Site) -> None:
    """A name that leads elsewhere at the second look leads there in vain: it is looked up once."""
    site.webhook(url="https://hooks.example:8443/x?y=1", retryCount=0)
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    sent: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(204)

    site.sends_through(Receivers(resolve=lambda *_: answers.pop(0), transport=httpx.MockTransport(receive)))
    site.trigger()
    site.world.work()
    [request] = sent
    assert str(request.url) == "https://93.184.215.14:8443/x?y=1"
    assert request.headers["Host"] == "hooks.example:8443"
    assert request.extensions["sni_hostname"] == "hooks.example"
    assert answers == [["127.0.0.1"]]


# Again, and for Slack


def test_an_event_is_delivered_again_under_its_id(site: Site) -> None:
    webhook = site.webhook()
    first, second = site.trigger(), site.trigger("instance.error")
    site.world.work()
    assert site.api.owner.post(f"/webhooks/{webhook['id']}/deliver").body["eventId"] == second
    site.api.owner.post(f"/webhooks/{webhook['id']}/deliver", {"eventId": first})
    site.world.work()
    assert site.receiver.ids == [first, second, second, first]
    assert site.receiver.received[3].raw == site.receiver.received[0].raw


def test_a_slack_channel_is_told_in_words(site: Site) -> None:
    site.webhook(format="slack", secret=None)
    site.trigger(payload={"poolTag": "<core>", "total": 2, "maxTotal": 2, "waiting": 1})
    site.world.work()
    [received] = site.receiver.received
    text = "Pool *&lt;core&gt;* is exhausted: 2 of 2 used, 1 waiting"
    assert received.body == {
        "text": text,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": text}},
            {
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": "&lt;core&gt; · pool.exhausted · only a test"}],
            },
        ],
    }


# What is kept, and what is not


def test_events_are_gone_after_seven_days(site: Site) -> None:
    site.webhook()
    site.trigger()
    site.world.work()
    site.world.later(days=7, hours=1)
    assert [row for row in site.world.rows(Event) if row.kind == "pool.exhausted"] == []
    assert site.world.rows(Dispatch) == []


def test_what_is_secret_in_a_webhook_shows_nowhere(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[Reply] = []
    webhook = site.webhook(headers={"Authorization": "Bearer canary"}, url=f"{site.receiver.url}?canary")
    site.api.spare()
    site.api.assign("123")
    site.receiver.answers = [500]
    site.world.work()
    said += [site.api.owner.get("/webhooks"), site.api.owner.get(f"/webhooks/{webhook['id']}")]
    said.append(site.api.owner.patch(f"/webhooks/{webhook['id']}", {"headers": {"Bad": "canary\n"}}))
    said.append(site.api.owner.patch(f"/webhooks/{webhook['id']}", {"url": "http://canary:canary@x/"}))
    said.append(site.api.application.get("/webhooks"))
    rows = str([vars(row) for table in (Audit, Task, Event, Dispatch, Webhook) for row in site.world.rows(table)])
    bodies = b"".join(received.raw for received in site.receiver.received).decode()

    assert "canary" not in "".join([rows, bodies, caplog.text])
    assert "force://" not in rows + bodies
    shown = [json.dumps({**one, "url": ""}) for one in [said[0].body[0], said[1].body]]
    assert "canary" not in "".join(shown) + "".join(reply.text for reply in said[2:])
