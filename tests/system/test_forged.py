"""A thousand forged or malformed requests to each webhook of a running hub: refused, and the store hears of none.

Discord has no webhook here: its events come over the connection that the hub itself opened.
"""

import asyncio
import base64
import gzip
import hashlib
import hmac
import io
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from core.engine.server import Server
from core.engine.store import connect
from simulators.slack import SlackSimulator
from simulators.telegram import TelegramSimulator
from simulators.twilio import TwilioSimulator

PAYLOADS = Path(__file__).parents[1] / "adapters" / "payloads"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
EACH, AT_ONCE = 1000, 16
POLLS = {"blpop", "xreadgroup", "xautoclaim"}
"""Commands that count as writes and are how an idle hub waits for work."""


@dataclass(frozen=True)
class Request:
    url: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    method: str = "POST"
    kind: str = "valid"

    def without(self, *names: str) -> tuple[tuple[str, str], ...]:
        return tuple(pair for pair in self.headers if pair[0] not in names)


@dataclass
class Door:
    """One webhook: what a real request looks like, and which headers prove it."""

    url: str
    proofs: tuple[str, ...]
    recorded: list[bytes] = field(default_factory=list)
    content_type: str = JSON

    def sign(self, body: bytes, at: float | None = None) -> tuple[tuple[str, str], ...]:
        raise NotImplementedError

    def request(self, body: bytes, kind: str = "valid") -> Request:
        return Request(self.url, body, (("Content-Type", self.content_type), *self.sign(body)), kind=kind)

    def own(self, rng: random.Random) -> list[Request]:
        """Forgeries that only this platform knows."""
        return []


class SlackDoor(Door):
    """https://docs.slack.dev/authentication/verifying-requests-from-slack"""

    secret = b"simulated-not-a-secret"

    def sign(self, body, at=None):
        return self.stamped(body, str(int(at or time.time())))

    def stamped(self, body, stamp):
        digest = hmac.new(self.secret, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return (("X-Slack-Request-Timestamp", stamp), ("X-Slack-Signature", f"v0={digest}"))

    def own(self, rng):
        body = rng.choice(self.recorded)
        stamps = {
            "stale": str(int(time.time()) - rng.randint(302, 10**8)),
            "future": str(int(time.time()) + rng.randint(302, 10**8)),
            "no number": rng.choice(["", "now", "1e9", "-1", "0x10", "١٢٣", "9" * 400, "nan", "1.5"]),
        }
        made = [
            replace(self.request(body, kind), headers=(("Content-Type", JSON), *self.stamped(body, stamp)))
            for kind, stamp in stamps.items()
        ]
        return [*made, self.request(rng.choice(MALFORMED), "malformed")]


class TelegramDoor(Door):
    """https://core.telegram.org/bots/api#setwebhook: a header that both sides know."""

    secret = "FAKE-webhook-secret"

    def sign(self, body, at=None):
        return (("X-Telegram-Bot-Api-Secret-Token", self.secret),)

    def own(self, rng):
        update = json.loads(rng.choice(self.recorded))
        update["update_id"] = rng.choice([None, "one", 1.5, [], {}])
        return [
            self.request(rng.choice(MALFORMED), "malformed"),
            self.request(json.dumps(update).encode(), "malformed"),
        ]


class TwilioDoor(Door):
    """https://www.twilio.com/docs/usage/webhooks/webhooks-security"""

    token = b"fake-twilio-auth-token"

    def sign(self, body, at=None):
        fields = (pair.partition(b"=") for pair in body.replace(b"+", b" ").split(b"&"))
        text = b"".join(name + value for name, value in sorted({(unquoted(n), unquoted(v)) for n, _, v in fields}))
        digest = hmac.new(self.token, self.url.encode() + text, hashlib.sha1).digest()
        return (("X-Twilio-Signature", base64.b64encode(digest).decode()),)

    def own(self, rng):
        body = rng.choice(self.recorded)
        stranger = body.replace(b"AccountSid=AC", b"AccountSid=AD")
        as_json = b'{"Body": "hi"}'
        return [
            self.request(stranger, "another account"),
            replace(self.request(body, "another address"), url=self.url + "?x=1"),
            replace(self.request(as_json, "no hash"), headers=(("Content-Type", JSON), *self.sign(as_json))),
            self.request(b"\xff\xfe=%ff&a=b", "malformed"),
            self.request(b"&".join(b"a%d=1" % n for n in range(1200)), "malformed"),
        ]


MALFORMED = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"1e999",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"update_id": 1e400}',
    b"\x00\xff\xfe binary \x80",
    b"\xef\xbb\xbf",
    "{'update_id': 1}".encode("utf-16"),
]


def unquoted(text: bytes) -> bytes:
    head, *rest = text.split(b"%")
    return head + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest)


def forgeries(door: Door, rng: random.Random) -> Iterator[Request]:
    """Without end; the same for the same seed, save for the time of day in some."""
    while True:
        body = rng.choice(door.recorded)
        real = door.request(body)
        at = rng.randrange(len(body))
        proof = rng.choice(door.proofs)
        value = dict(real.headers)[proof]
        rest, place = real.without(proof), rng.randrange(len(value))
        other = chr(33 + (ord(value[place]) - 33 + rng.randint(1, 93)) % 94)
        mutated = value[:place] + other + value[place + 1 :]
        wrong = (proof, mutated)
        made = [
            replace(real, headers=rest, kind="absent"),
            replace(real, headers=(*rest, (proof, "")), kind="empty"),
            replace(real, headers=(*real.headers, (proof, value)), kind="doubled"),
            replace(real, headers=(*real.headers, wrong), kind="doubled"),
            replace(real, headers=(*rest, wrong), kind="mutated proof"),
            replace(real, headers=(*rest, (proof, value + "é\u20ac")), kind="odd proof"),
            replace(real, headers=(*rest, (proof, value * 50)), kind="long proof"),
            replace(real, headers=(*rest, wrong), body=rng.randbytes(rng.randrange(1, 300)), kind="binary"),
            replace(real, headers=(*rest, wrong), body=rng.choice(MALFORMED), kind="malformed"),
            replace(
                real, headers=(*real.headers, ("Content-Encoding", "gzip")), body=gzip.compress(body), kind="packed"
            ),
            replace(real, method=rng.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]), kind="method"),
            replace(
                real, url=door.url + rng.choice(["/", "/status/x", "x", "/../../health/x", "%2F", "/%00"]), kind="path"
            ),
            *door.own(rng),
        ]
        if isinstance(door, SlackDoor | TwilioDoor):
            changed = body[:at] + bytes([body[at] ^ (1 << rng.randrange(7))]) + body[at + 1 :]
            made.append(replace(real, body=changed, kind="mutated body"))
        if rng.random() < 0.02:
            made = [replace(real, body=body + b" " * (1 << 20), kind="huge")]
        yield rng.choice(made)


async def sent(http: aiohttp.ClientSession, request: Request) -> int:
    url = aiohttp.client.URL(request.url, encoded=True)
    async with http.request(
        request.method, url, data=io.BytesIO(request.body), headers=list(request.headers)
    ) as answer:
        await answer.read()
        return answer.status


@pytest.fixture
async def doors(hub_process):
    """The webhooks of a running hub, and the hub."""
    async with SlackSimulator("http") as slack, TelegramSimulator() as telegram, TwilioSimulator() as twilio:
        telegram.mode = "webhook"
        stages = {"slack": slack, "telegram": telegram, "whatsapp": twilio}
        hub = hub_process({name: {"enabled": True, **stage.settings()} for name, stage in stages.items()})
        await hub.start()
        for name in stages:
            await hub.until(name, "running")
        at = f"{hub.url}/webhooks"
        slack_events = [
            json.dumps({"event_id": "Ev1", **payload}).encode()
            for name in ("dm", "channel", "channel-mention", "actions-reactions")
            for payload in json.loads((PAYLOADS / "slack" / f"{name}.json").read_text()).values()
            if isinstance(payload, dict) and "event" in payload
        ]
        updates = json.loads((PAYLOADS / "telegram" / "updates.json").read_text()).values()
        forms = [
            urlencode({**json.loads(path.read_text())["form"], "AccountSid": twilio.account_sid}).encode()
            for path in sorted((PAYLOADS / "whatsapp").glob("*.json"))
        ]
        yield (
            hub,
            {
                "slack": SlackDoor(f"{at}/slack", ("X-Slack-Request-Timestamp", "X-Slack-Signature"), slack_events),
                "telegram": TelegramDoor(
                    f"{at}/telegram",
                    ("X-Telegram-Bot-Api-Secret-Token",),
                    [json.dumps(update).encode() for update in updates],
                ),
                "whatsapp": TwilioDoor(f"{at}/whatsapp", ("X-Twilio-Signature",), forms, FORM),
            },
        )


class Ledger:
    """What the hub's own store has been told to write."""

    def __init__(self, redis, hub):
        self.redis, self.hub = redis, hub

    async def read(self):
        kinds = await self.redis.command()
        stats = await self.redis.info("commandstats")
        calls = {name.removeprefix("cmdstat_").split("|")[0]: stat["calls"] for name, stat in stats.items()}
        writes = {name: count for name, count in calls.items() if "write" in kinds.get(name, {}).get("flags", ())}
        keys = {key: await self._value(key) for key in await self.redis.keys("*")}
        events = (await self.hub.health())["events"]
        return {name: count for name, count in writes.items() if name not in POLLS}, keys, events

    async def _value(self, key):
        """A stream's dump would also tell when somebody last looked for news in it."""
        is_stream = await self.redis.type(key) == b"stream"
        return await self.redis.xrange(key) if is_stream else await self.redis.dump(key)


async def test_a_thousand_forged_requests_for_each_webhook_are_refused_and_leave_no_trace_in_the_store(doors):
    hub, doors = doors
    async with connect(f"unix://{Server(hub.home / 'var' / 'store').socket}") as redis, aiohttp.ClientSession() as http:
        async with asyncio.timeout(30):
            while not await redis.exists("sb:arc:{0}"):  # made when the archive is open, and then the hub is at rest
                await asyncio.sleep(0.05)
        ledger = Ledger(redis, hub)
        before = await ledger.read()
        for seed, (name, door) in enumerate(doors.items()):
            made, kinds, odd = forgeries(door, random.Random(seed)), Counter(), []
            lanes = asyncio.Semaphore(AT_ONCE)

            async def try_one(request, kinds=kinds, odd=odd, lanes=lanes):
                async with lanes:
                    status = await sent(http, request)
                kinds[request.kind] += 1
                if not 400 <= status < 500:
                    odd.append((request.kind, status, request.body[:80], request.headers))

            await asyncio.gather(*(try_one(next(made)) for _ in range(EACH)))
            assert odd == [], name
            assert kinds.total() == EACH
            assert len(kinds) > 10
        assert await ledger.read() == before
        warned = [line for line in hub.output if "webhook requests refused" in line]
        assert 3 <= len(warned) <= 6  # one a minute and channel
        assert hub.process.returncode is None

        for name, door in doors.items():  # and a real one is seen
            assert await sent(http, door.request(door.recorded[0])) == 200, name
        async with asyncio.timeout(10):
            while (await hub.health())["events"]["accepted"] < 3:
                await asyncio.sleep(0.02)
        writes, keys, _ = await ledger.read()
        assert writes.get("rpush", 0) >= before[0].get("rpush", 0) + 3
        assert len(keys) > len(before[1])
