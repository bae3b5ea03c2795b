"""What goes over the wire, both ways, against Discord's own OpenAPI document."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from core.events import Choice, Command, Part

SPEC = json.loads((Path(__file__).parents[1] / "payloads" / "discord" / "spec" / "openapi.json").read_text())
REQUESTS = [
    ("POST", r"/channels/\d+/messages$", "MessageCreateRequest"),
    ("PATCH", r"/channels/\d+/messages/\d+$", "MessageEditRequestPartial"),
    ("POST", r"/channels/\d+/messages/\d+/threads$", "CreateTextThreadWithMessageRequest"),
    ("PATCH", r"/webhooks/\d+/[\w-]+/messages/@original$", "IncomingWebhookUpdateRequestPartial"),
    ("POST", r"/webhooks/\d+/[\w-]+\?wait=true$", "IncomingWebhookRequestPartial"),
]


def check(value: object, schema: str) -> None:
    Draft202012Validator(SPEC | {"$ref": f"#/components/schemas/{schema}"}).validate(value)


async def test_every_request_of_the_adapter_is_as_specified(cold, discord):
    hub = cold.rebuilt(reply="thread")
    await hub.adapter.start()
    await discord.say("@hub plan my day", room="70")
    event = await hub.inbox.heard("plan my day")
    sent = await hub.answer(event, "Which?", choices=(Choice("this", "this"), Choice("that", "that")))
    await hub.adapter.edit(sent, Part("This."))
    await discord.command("help", room="70")
    command = await hub.inbox.wait_for(lambda event: isinstance(event, Command))
    await hub.answer(command, "one", "KEY1")
    await hub.answer(command, "two", "KEY2")
    await discord.say("hello", room="70", user="43")
    checked = set()
    for wire in discord.wire:
        for method, path, schema in REQUESTS:
            if wire.method == method and re.search(path, wire.path):
                check(json.loads(wire.body), schema)
                checked.add(schema)
        if wire.method == "PUT" and wire.path.endswith("/commands"):
            for command in json.loads(wire.body):
                check(command, "ApplicationCommandUpdateRequest")
    assert checked == {schema for _, _, schema in REQUESTS}
    await hub.adapter.stop()


async def test_the_simulators_messages_are_as_specified(discord):
    said = await discord.say("@hub hello", room="70")
    discord.world.send("70", {"content": "hi", "message_reference": {"message_id": said.id}})
    thread = discord.world.open_thread("70", said.id, {"name": "here"})
    check(thread, "ThreadResponse")
    for message in discord.world.page("70", None, 50):
        check(message, "MessageResponse")


def test_the_check_can_fail():
    with pytest.raises(Exception, match="required"):
        check({"content": "hi"}, "MessageResponse")
