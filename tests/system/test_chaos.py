"""The promise of the product: killed at any moment, it loses nothing that was accepted, and keeps the order."""

import asyncio
import os
import random
import signal
from collections import Counter
from itertools import count

import pytest

from core.engine.server import Server
from simulators.slack import SlackSimulator
from simulators.telegram import TelegramSimulator

HUB_KILLS, STORE_KILLS = 10, 3
PEOPLE = 5
PAUSE = 0.2
"""Seconds between two messages of one person."""
MOST = 50
"""Messages without an answer, after which a person waits: a hub has room for a hundred, and says so when it is full."""


class Load:
    """People on two platforms who keep talking; knows what was taken and what they were answered."""

    def __init__(self, slack, telegram):
        self.slack, self.telegram = slack, telegram
        self.said = {("telegram", str(user)): [] for user in range(100, 100 + PEOPLE)}
        self.said |= {("slack", f"D{user}"): [] for user in range(100, 100 + PEOPLE)}
        self.stop = asyncio.Event()

    async def talk(self, platform, room):
        for number in count():
            if self.stop.is_set():
                return
            text = f"{room} says {number}"
            if platform == "telegram":
                await self.telegram.say(text, user=room, room=room)
                self.said[platform, room].append(text)  # the platform keeps it until the hub has confirmed it
            else:
                await self.slack.say(text, user=f"U{room[1:]}", room=room)
                posts = list(self.slack.wire)[-PEOPLE * 4 :]
                if any(f'"{text}"' in post.body and post.status == 200 for post in posts):
                    self.said[platform, room].append(text)
            await asyncio.sleep(PAUSE)
            while not self.stop.is_set() and self.unanswered(platform, room) > MOST:
                await asyncio.sleep(PAUSE)

    def unanswered(self, platform, room):
        return len(self.said[platform, room]) - len(set(self.answers(platform, room)))

    def answers(self, platform, room):
        simulator = self.slack if platform == "slack" else self.telegram
        return [message.text for message in simulator.messages if message.is_bot and message.room == room]

    def missing(self):
        return [text for place, texts in self.said.items() for text in sorted(set(texts) - set(self.answers(*place)))]


async def kill_store(hub):
    pid = Server(hub.home / "var" / "store").pid()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    return pid is not None


@pytest.mark.timeout(180)
async def test_killed_ten_times_and_its_store_three_times_it_answers_everything_in_order(hub_process, capsys):
    chance = random.Random(7)
    slack, telegram = SlackSimulator("http", retry_after=(600.0,) * 3, limits=False), TelegramSimulator(limits=False)
    async with slack, telegram:
        hub = hub_process(
            {"slack": {"enabled": True, **slack.settings()}, "tg": {"enabled": True, **telegram.settings()}}
        )
        slack.webhook_url = f"{hub.url}/webhooks/slack"
        load = Load(slack, telegram)
        await hub.start()
        talking = [asyncio.create_task(load.talk(*place)) for place in load.said]
        store_kills = 0
        for kill in range(HUB_KILLS):
            await asyncio.sleep(chance.uniform(0.1, 0.9))
            if kill % 3 == 1:
                store_kills += await kill_store(hub)
                await asyncio.sleep(chance.uniform(0.0, 0.5))
            await hub.kill(signal.SIGKILL)
            await hub.start()
        await asyncio.sleep(0.5)
        load.stop.set()
        await asyncio.gather(*talking)
        for _ in range(600):
            if not load.missing():
                break
            await asyncio.sleep(0.05)
        assert load.missing() == [], await hub.health()

        doubled = 0
        for place in load.said:
            answers = load.answers(*place)
            first_time = list(dict.fromkeys(answers))
            assert first_time == sorted(first_time, key=lambda text: int(text.rsplit(" ", 1)[1])), place
            doubled += sum(number - 1 for number in Counter(answers).values())
        total = sum(map(len, load.said.values()))
        with capsys.disabled():
            kills = f"hub -9 {HUB_KILLS} times, store -9 {store_kills} times"
            print(f"\n{total} accepted, 0 lost, 0 out of order, {doubled} sent twice; {kills}")
        assert store_kills >= STORE_KILLS
        assert total > 200
        facts = (await hub.health())["events"]
        assert facts["accepted"] == facts["answered"] + facts["silent"] + facts["dead"] + facts["in_flight"]
        assert facts["dead"] == 0
