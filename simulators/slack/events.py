"""The payloads that Slack delivers. Pure; the shapes are those of the pages cited."""

from typing import Any

TEAM, APP, BOT_USER, BOT = "T1", "A1", "UHUB", "BHUB"
HUMAN = "U1"

Payload = dict[str, Any]


def envelope(event: Payload, event_id: str, now: float) -> Payload:
    """https://docs.slack.dev/apis/events-api#callback-field"""
    return {
        "token": "not-a-verification-token",
        "team_id": TEAM,
        "api_app_id": APP,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(now),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM,
                "user_id": BOT_USER,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event": event,
    }


def channel_type(room: str) -> str:
    """https://docs.slack.dev/reference/events/message#channel_type"""
    return {"D": "im", "G": "mpim"}.get(room[:1], "channel")


def message(room: str, user: str, text: str, ts: str, thread: str | None, parent: str | None) -> Payload:
    """https://docs.slack.dev/reference/events/message"""
    event: Payload = {
        "type": "message",
        "channel": room,
        "channel_type": channel_type(room),
        "user": user,
        "text": text,
        "ts": ts,
        "event_ts": ts,
        "client_msg_id": f"00000000-0000-4000-8000-{ts.replace('.', '')[-12:]}",
        "team": TEAM,
    }
    if thread:
        event |= {"thread_ts": thread, "parent_user_id": parent or user}
    return event


def app_mention(said: Payload) -> Payload:
    """https://docs.slack.dev/reference/events/app_mention: the same message once more, under another event id."""
    kept = {key: value for key, value in said.items() if key not in ("channel_type", "parent_user_id")}
    return {**kept, "type": "app_mention"}


def bot_message(room: str, text: str, ts: str, thread: str | None) -> Payload:
    """https://docs.slack.dev/reference/events/message/bot_message: an app hears its own messages too."""
    event: Payload = {
        "type": "message",
        "channel": room,
        "channel_type": channel_type(room),
        "user": BOT_USER,
        "bot_id": BOT,
        "app_id": APP,
        "bot_profile": {"id": BOT, "name": "hub", "app_id": APP, "team_id": TEAM},
        "text": text,
        "ts": ts,
        "event_ts": ts,
        "team": TEAM,
    }
    return event | ({"thread_ts": thread} if thread else {})


def message_changed(room: str, before: Payload, text: str, ts: str) -> Payload:
    """https://docs.slack.dev/reference/events/message/message_changed"""
    inner = {key: before[key] for key in ("type", "user", "text", "ts", "thread_ts", "team") if key in before}
    edited = {"user": before["user"], "ts": ts}
    return {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "channel": room,
        "channel_type": channel_type(room),
        "ts": ts,
        "event_ts": ts,
        "message": {**inner, "text": text, "edited": edited},
        "previous_message": inner,
    }


def message_deleted(room: str, before: Payload, ts: str) -> Payload:
    """https://docs.slack.dev/reference/events/message/message_deleted"""
    return {
        "type": "message",
        "subtype": "message_deleted",
        "hidden": True,
        "channel": room,
        "channel_type": channel_type(room),
        "ts": ts,
        "event_ts": ts,
        "deleted_ts": before["ts"],
        "previous_message": before,
    }


def reaction(kind: str, room: str, user: str, emoji: str, ts: str, author: str, at: str) -> Payload:
    """https://docs.slack.dev/reference/events/reaction_added"""
    return {
        "type": kind,
        "user": user,
        "reaction": emoji,
        "item_user": author,
        "item": {"type": "message", "channel": room, "ts": ts},
        "event_ts": at,
    }


def member_joined(room: str, user: str, at: str) -> Payload:
    """https://docs.slack.dev/reference/events/member_joined_channel"""
    return {
        "type": "member_joined_channel",
        "user": user,
        "channel": room,
        "channel_type": room[:1],
        "team": TEAM,
        "inviter": HUMAN,
        "event_ts": at,
    }


def slash_command(name: str, text: str, room: str, user: str, trigger: str, response_url: str) -> Payload:
    """https://docs.slack.dev/interactivity/implementing-slash-commands#app_command_handling"""
    return {
        "token": "not-a-verification-token",
        "team_id": TEAM,
        "team_domain": "acme",
        "channel_id": room,
        "channel_name": "directmessage" if room.startswith("D") else "general",
        "user_id": user,
        "user_name": user.lower(),
        "command": "/" + name,
        "text": text,
        "api_app_id": APP,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger,
    }


def block_actions(
    room: str,
    user: str,
    seen: Payload,
    button: Payload,
    trigger: str,
    response_url: str,
    *,
    at: str,
    is_ephemeral: bool,
) -> Payload:
    """https://docs.slack.dev/reference/interaction-payloads/block_actions-payload"""
    thread = {"thread_ts": seen["thread_ts"]} if seen.get("thread_ts") else {}
    payload: Payload = {
        "type": "block_actions",
        "user": {"id": user, "username": user.lower(), "name": user.lower(), "team_id": TEAM},
        "api_app_id": APP,
        "token": "not-a-verification-token",
        "container": {
            "type": "message",
            "message_ts": seen["ts"],
            "channel_id": room,
            "is_ephemeral": is_ephemeral,
            **thread,
        },
        "trigger_id": trigger,
        "team": {"id": TEAM, "domain": "acme"},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": room, "name": "directmessage" if room.startswith("D") else "general"},
        "response_url": response_url,
        "actions": [{**button, "block_id": "b1", "action_ts": at}],
    }
    return payload if is_ephemeral else {**payload, "message": seen}
