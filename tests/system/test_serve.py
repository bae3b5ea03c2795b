"""The hub as an admin meets it: started, edited while it runs, fed mistakes, stopped."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import signal
import time

import aiohttp
import pytest
import yaml

from simulators.slack import SlackSimulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator


@pytest.fixture
async def stages():
    """Slack, WhatsApp and Telegram, none of them real."""
    async with SlackSimulator("http") as slack, TwilioSimulator() as twilio, TelegramSimulator() as telegram:
        yield {"slack": slack, "whatsapp": twilio, "telegram": telegram}


@pytest.fixture
async def hub(hub_process, stages):
    channels = {name: {"enabled": True, **stage.settings()} for name, stage in stages.items()}
    hub = hub_process(channels)
    for name, stage in stages.items():
        stage.webhook_url = f"{hub.url}/webhooks/{name}"
    await hub.start()
    for name in stages:
        await hub.until(name, "running")
    return hub


async def echoed(stage, text):
    said = await stage.say(text)
    return (await stage.answer_to(said)).text == text


async def test_toggling_a_channel_stops_and_starts_exactly_that_one_within_two_seconds(hub, stages):
    before = (await hub.health())["channels"]
    hub.document["channels"]["slack"]["enabled"] = False
    began = time.monotonic()
    hub.write()
    await hub.until("slack", "off")
    assert time.monotonic() - began < 2.0
    assert await echoed(stages["telegram"], "still here")
    hub.document["channels"]["slack"]["enabled"] = True
    began = time.monotonic()
    hub.write()
    await hub.until("slack", "running")
    assert time.monotonic() - began < 2.0
    assert await echoed(stages["slack"], "back again")
    after = (await hub.health())["channels"]
    assert all(after[name]["restarts"] == before[name]["restarts"] for name in ("telegram", "whatsapp"))
    states = [line for line in hub.output if '"telegram"' in line and '"starting"' in line]
    assert len(states) == 1


async def test_a_new_channel_starts_and_a_removed_one_stops_without_the_others(hub, stages):
    removed = hub.document["channels"].pop("whatsapp")
    hub.document["channels"]["second"] = {**removed}
    hub.write()
    await hub.until("whatsapp", "none")
    await hub.until("second", "running")
    stages["whatsapp"].webhook_url = f"{hub.url}/webhooks/second"
    assert await echoed(stages["whatsapp"], "by another name")


async def test_a_broken_edit_changes_nothing_and_is_reported_with_its_place(hub, stages):
    hub.config.write_text(hub.config.read_text().replace("platform: slack", "platform: slak"))
    async with asyncio.timeout(5):
        while (await hub.health())["configuration"]["ok"]:
            await asyncio.sleep(0.02)
    (fault,) = (await hub.health())["configuration"]["faults"]
    assert "hub.yaml:" in fault
    assert fault.endswith("channels.slack.platform: see the log")
    assert "'slak' is none of" in hub.text
    assert "did you mean 'slack'?" in hub.text
    assert await echoed(stages["slack"], "as before")
    hub.write()
    async with asyncio.timeout(5):
        while not (await hub.health())["configuration"]["ok"]:
            await asyncio.sleep(0.02)


async def test_what_was_under_way_when_it_is_told_to_stop_is_finished(hub, stages):
    said = [await stages["telegram"].say(f"message {n}") for n in range(20)]
    async with asyncio.timeout(10):
        while (await hub.health())["events"]["accepted"] < 20:
            await asyncio.sleep(0.01)
    await hub.kill(signal.SIGTERM)
    assert hub.process.returncode == 0
    await hub.start()
    await stages["telegram"].wait_for(lambda m: m.is_bot and m.text == said[-1].text)
    answers = [m.text for m in stages["telegram"].messages if m.is_bot]
    assert answers == [each.text for each in said]


async def test_secrets_never_reach_the_log(hub, stages):
    await echoed(stages["slack"], "hello")
    secrets = [hub.document["channels"][name][key] for name, key in (("slack", "bot_token"), ("telegram", "bot_token"))]
    hub.config.write_text("channels: [")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while "refused" not in hub.text:
                await asyncio.sleep(0.02)
    assert not [secret for secret in secrets if secret in hub.text]


async def test_a_port_that_is_taken_is_said_in_one_line(hub, hub_process):
    second = hub_process({}, port=hub.port)
    await second.start(ready=False)
    assert await second.process.wait() == 1
    await second._reader
    assert f"cannot listen on 127.0.0.1:{hub.port}" in second.output[-1]
    assert "Traceback" not in second.text


async def test_reload_says_what_would_change_and_then_does_it(hub, stages):
    hub.document["channels"]["slack"]["answer"] = "all"
    del hub.document["channels"]["whatsapp"]
    hub.document["channels"]["extra"] = {"platform": "slack", "enabled": False}
    edited = hub.home / "edited.yaml"
    edited.write_text(yaml.safe_dump(hub.document))
    lines = await hub.command("reload", "--dry-run", config=edited)
    assert sorted(lines) == ["keep     telegram", "restart  slack", "stop     whatsapp"]
    assert await hub.state("whatsapp") == "running"
    hub.process.send_signal(signal.SIGSTOP)  # the watcher does not see the save first
    edited.replace(hub.config)
    lines = await hub.command("reload")
    hub.process.send_signal(signal.SIGCONT)
    assert "stop     whatsapp" in lines
    await hub.until("whatsapp", "none")


async def test_an_independent_sender_of_signed_events_is_answered_in_the_thread_it_opened(hub, stages):
    """The signature is made here, after the platform's page, and by no code of ours."""
    mention = {"type": "app_mention", "channel": "C1", "user": "U9", "text": "<@UBOT> hi", "ts": "1790000000.000200"}
    mention["text"] = mention["text"].replace("UBOT", stages["slack"].bot_id)
    body = json.dumps({"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": mention})
    stamp = str(int(time.time()))
    secret = hub.document["channels"]["slack"]["signing_secret"].encode()
    digest = hmac.new(secret, f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
    headers["Content-Type"] = "application/json"
    async with aiohttp.ClientSession() as http:
        for _ in range(2):
            async with http.post(f"{hub.url}/webhooks/slack", data=body, headers=headers) as answer:
                assert answer.status == 200
        async with http.post(f"{hub.url}/webhooks/slack", data=body + " ", headers=headers) as forged:
            assert forged.status == 401
    seen = await stages["slack"].wait_for(lambda m: m.is_bot and m.room == "C1")
    assert (seen.text, seen.thread) == ("hi", "1790000000.000200")
    events = (await hub.health())["events"]
    assert (events["accepted"], events["answered"]) == (1, 1)
