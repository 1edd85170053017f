"""A Slack channel is told of every event in a sentence, in which nothing that people wrote is markup."""

from __future__ import annotations

import pytest

from bot.api.messages import example
from bot.slack import SENTENCES, slack_message
from operations.events import EventType


@pytest.mark.parametrize("event", EventType)
def test_every_event_is_told_with_all_that_its_sentence_asks_for(event: EventType) -> None:
    message = slack_message(example(event))
    assert message["text"] == message["blocks"][0]["text"]["text"]
    assert "{" not in message["text"]
    assert "–" not in message["text"]
    assert event in message["blocks"][1]["elements"][0]["text"]


def test_what_does_not_end_is_said_to_be_given_back() -> None:
    envelope = example(EventType.ASSIGNMENT_CREATED)
    envelope["data"]["expiresAt"] = None
    assert slack_message(envelope)["text"] == "*pr-123* has environment *dev123456*, until it is given back"


def test_what_people_wrote_is_no_markup() -> None:
    envelope = example(EventType.INSTANCE_ERROR)
    envelope["data"]["reason"] = "<!channel> & {who}"
    text = slack_message(envelope)["text"]
    assert text == "Environment *dev123456* is in error: &lt;!channel&gt; &amp; {who}"


def test_a_long_reason_is_cut() -> None:
    envelope = example(EventType.INSTANCE_ERROR)
    envelope["data"]["reason"] = "x" * 5000
    assert len(slack_message(envelope)["text"]) < 3000


def test_every_event_has_its_sentence() -> None:
    assert SENTENCES.keys() == set(EventType)
