"""What a Slack channel is told of an event: text, and the same as blocks, for an incoming webhook of Slack's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from operations.events import EventType

# https://docs.slack.dev/reference/block-kit/blocks/section-block: at most 3000 characters
LONGEST = 2900

SENTENCES: Mapping[EventType, str] = {
    EventType.ASSIGNMENT_CREATED: "*{who}* has environment *{sandboxName}*, until {expiresAt}",
    EventType.ASSIGNMENT_QUEUED: "*{who}* waits for an environment of {poolTag}, at place {position}",
    EventType.ASSIGNMENT_EXTENDED: "*{who}* keeps environment *{sandboxName}* until {expiresAt}",
    EventType.ASSIGNMENT_EXPIRING: "Environment *{sandboxName}* of *{who}* ends at {expiresAt}",
    EventType.ASSIGNMENT_RELEASED: "*{who}* has given environment *{sandboxName}* back",
    EventType.ASSIGNMENT_EXPIRED: "Environment *{sandboxName}* of *{who}* has ended",
    EventType.ASSIGNMENT_TRANSITIONED: "Environment *{sandboxName}* went from {previousAssignment} to *{who}*",
    EventType.INSTANCE_AVAILABLE: "Environment *{sandboxName}* is available",
    EventType.INSTANCE_ERROR: "Environment *{sandboxName}* is in error: {reason}",
    EventType.INSTANCE_FLAGGED: "Environment *{sandboxName}* has expired and waits for somebody to decide",
    EventType.INSTANCE_DELETED: "Environment *{sandboxName}* is deleted",
    EventType.POOL_EXHAUSTED: "Pool *{poolTag}* is exhausted: {total} of {maxTotal} used, {waiting} waiting",
    EventType.LOCK_ACQUIRED: "*{lockedBy}* has locked *{resource}*, until {expiresAt}",
    EventType.LOCK_RELEASED: "*{resource}* is no longer locked by {lockedBy}",
    EventType.LOCK_FORCED: "The lock of {lockedBy} on *{resource}* was taken away",
    EventType.TASK_COMPLETED: "Task {type} is completed",
    EventType.TASK_FAILED: "Task {type} has failed: {errorMessage}",
}


def slack_message(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The event as Slack takes it (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""
    event = EventType(envelope["event"])
    said = _sayable(envelope["data"])
    said["who"] = f"{said['assignmentType']}-{said['assignmentId']}"
    text = SENTENCES[event].format_map(said)[:LONGEST]
    about = [said["repositoryIdentifier"], said["poolTag"], event, "only a test" if envelope["triggered"] else ""]
    context = " · ".join(part for part in about if part and part != "–")[:LONGEST]
    return {
        "text": text,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": text}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": context}]},
        ],
    }


def _sayable(data: Mapping[str, Any]) -> defaultdict[str, str]:
    """Every value as text that Slack takes for no markup; what is not there is a dash."""
    said = defaultdict(lambda: "–", {name: _escaped(str(value)) for name, value in data.items() if value is not None})
    if "assignedAt" in data and data.get("expiresAt") is None:
        said["expiresAt"] = "it is given back"
    return said


def _escaped(text: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text#escaping"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
