"""Parts of an answer -> Discord's request bodies. Pure.

https://docs.discord.com/developers/resources/message#create-message
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.discord.render import DiscordRenderer
from core.adapter import CommandSpec
from core.events import Choice, Part

SUPPRESS_EMBEDS = 1 << 2
EPHEMERAL = 1 << 6
NOBODY = {"parse": [], "replied_user": False}
"""No text, whoever wrote it, notifies anybody."""

Body = dict[str, Any]
_renderer = DiscordRenderer()


def render(markdown: str) -> str:
    return _renderer.render(markdown)


def message(part: Part) -> Body:
    """What a message and an edit of it have in common."""
    return {
        "content": render(part.text),
        "components": _buttons(part.choices),
        "flags": SUPPRESS_EMBEDS,
        "allowed_mentions": NOBODY,
    }


def once(key: str) -> Body:
    """A second message with the same nonce within some minutes is answered with the first."""
    return {"nonce": key, "enforce_nonce": True}


def quoting(message_id: str) -> Body:
    return {"message_reference": {"message_id": message_id, "fail_if_not_exists": False}}


def _buttons(choices: Sequence[Choice]) -> list[Body]:
    """Rows of five: https://docs.discord.com/developers/components/reference#action-row"""
    buttons = [
        {"type": 2, "style": 2, "label": choice.label[:80] or "…", "custom_id": choice.value[:100]}
        for choice in choices
    ]
    return [{"type": 1, "components": buttons[row : row + 5]} for row in range(0, len(buttons[:25]), 5)]


def command(spec: CommandSpec) -> Body:
    """https://docs.discord.com/developers/interactions/application-commands#application-command-object"""
    body: Body = {"name": spec.name, "description": spec.summary[:100] or spec.name, "type": 1}
    if spec.argument:
        option = {"type": 3, "name": _option_name(spec.argument), "description": spec.argument[:100], "required": False}
        body["options"] = [option]
    return body


def same_commands(wanted: Sequence[Body], there: Sequence[Mapping[str, Any]]) -> bool:
    """Whether Discord already lists just these; what it adds by itself (ids, versions) does not count."""
    return sorted(map(_essence, wanted)) == sorted(map(_essence, there))


def _essence(command: Mapping[str, Any]) -> str:
    options = [
        (option.get("type"), option.get("name"), option.get("description"), bool(option.get("required")))
        for option in command.get("options") or ()
    ]
    return repr((command.get("name"), command.get("description"), command.get("type", 1), options))


def _option_name(argument: str) -> str:
    """Lower case letters, digits, `-` and `_`, at most 32."""
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in argument.lower())
    return name.strip("_")[:32] or "text"
