"""Updates come in by webhook: the true ones are answered, forged and broken ones touch nothing."""

import gzip
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.telegram.adapter import SECRET_HEADER
from core.errors import BadCredentials
from tests.adapters.telegram.bot_api import load

SECRET = "FAKE-webhook-secret"
RIGHT = {SECRET_HEADER: SECRET}
UPDATES = load("updates.json")
OFTEN = settings(
    max_examples=350, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
async def post(channel):
    """Posts to the webhook as anybody in the world could."""
    await channel.start(mode="webhook")

    async def send(body, headers=RIGHT, **options):
        async with channel.http.post(channel.webhook, data=body, headers=headers, **options) as response:
            return response.status

    return send


async def test_a_user_is_answered_through_the_webhook(channel, telegram):
    await channel.start(mode="webhook")
    said = await telegram.say("hello")
    await channel.answer("hi")
    assert (await telegram.answer_to(said)).text == "hi"
    assert telegram.queue.updates == []


async def test_a_true_update_from_an_independent_sender_is_answered_in_its_topic(channel, telegram, post):
    update = {
        "update_id": 5,
        "message": {
            "message_id": 800,
            "date": 1790000000,
            "chat": {"id": -100600, "type": "supergroup", "title": "Help desk", "is_forum": True},
            "from": {"id": 42, "is_bot": False, "first_name": "Ann"},
            "message_thread_id": 10,
            "is_topic_message": True,
            "text": "hey @HUB_bot",
            "entities": [{"type": "mention", "offset": 4, "length": 8}],
        },
    }
    assert await post(json.dumps(update)) == 200
    await channel.answer("hi")
    answer = telegram.messages[-1]
    assert (answer.text, answer.room, answer.thread) == ("hi", telegram.forum, "10")


async def test_what_is_no_event_is_acknowledged(channel, post):
    assert await post(json.dumps(UPDATES["command_for_another"])) == 200
    assert channel.inbox.calls == 0


async def test_telegram_is_told_to_come_again_while_the_store_is_away(channel, telegram):
    await channel.start(mode="webhook")
    channel.inbox.refusals = 2
    await telegram.say("hello")
    assert (await channel.inbox.has(1))[0].text == "hello"
    assert [wire.status for wire in telegram.wire if not wire.inbound][:2] == [503, 503]


async def test_a_refused_update_says_when_to_come_again(channel, post):
    channel.inbox.refusals = 1
    async with channel.http.post(channel.webhook, json=UPDATES["direct"], headers=RIGHT) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(
    "secrets",
    [
        [],
        [""],
        [SECRET[:-1]],
        [SECRET + "x"],
        [SECRET.upper()],
        ["sécret"],
        [SECRET, SECRET],
        [SECRET, "x"],
        ["x", SECRET],
        [f"{SECRET}, {SECRET}"],
    ],
)
async def test_only_the_one_right_secret_opens(channel, post, secrets):
    headers = [(SECRET_HEADER, secret) for secret in secrets]
    assert await post(json.dumps(UPDATES["direct"]), headers=headers) == 401
    assert channel.inbox.calls == 0


async def test_without_a_secret_nothing_opens(channel):
    await channel.start(mode="webhook", webhook_secret="")
    async with channel.http.post(channel.webhook, json=UPDATES["direct"], headers={SECRET_HEADER: ""}) as response:
        assert response.status == 401
    assert channel.inbox.calls == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
async def test_a_packed_body_is_not_unpacked(channel, post, encoding):
    body = gzip.compress(json.dumps(UPDATES["direct"]).encode())
    assert await post(body, RIGHT | {"Content-Encoding": encoding}) == 415
    assert channel.inbox.calls == 0


async def test_a_body_too_large_is_refused(channel, post):
    assert await post(io.BytesIO(b" " * (2 << 20))) == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"update_id":1,"message":{"text":"\xff"}}',
        b'{"update_id":1,"message":' + b"[" * 100_000,
        b'{"update_id":1,"unknown":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"update_id":1e400}',
        b'{"update_id":1,"message":{}}',
        b'{"update_id":1,"message":{"message_id":1,"chat":{"id":1,"type":"private"},"text":"\\ud800"}}',
    ],
)
async def test_a_broken_body_is_refused(channel, post, body):
    assert await post(body) == 400
    assert channel.inbox.calls == 0


BODIES = st.sampled_from([json.dumps(update).encode() for update in UPDATES.values()])
SECRETS = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30).filter(
    lambda text: text.strip() != SECRET
)
FORGED = st.lists(SECRETS, max_size=2) | SECRETS.map(lambda other: [SECRET, other]) | st.just([SECRET, SECRET])


async def test_forged_requests_touch_nothing(channel, post):
    @OFTEN
    @given(st.data())
    def forge(data):
        tried.append((data.draw(BODIES), data.draw(FORGED)))

    tried: list = []
    forge()
    assert len(tried) >= 350
    for body, secrets in tried:
        headers = [(SECRET_HEADER, secret) for secret in secrets]
        assert await post(body, headers) == 401
    assert channel.inbox.calls == 0


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def twisted(value, data):
    """The same update with some values of another type, or gone."""
    if isinstance(value, dict):
        return {k: twisted(v, data) for k, v in value.items() if data.draw(st.integers(0, 19))}
    if isinstance(value, list):
        return [twisted(item, data) for item in value]
    return value if data.draw(st.integers(0, 9)) else data.draw(JUNK)


async def test_mutated_and_mistyped_bodies_are_no_server_error(channel, post):
    @OFTEN
    @given(BODIES, st.data())
    def mutate(body, data):
        at = data.draw(st.integers(0, len(body) - 1))
        tried.append(body[:at] + data.draw(st.binary(max_size=3)) + body[at + data.draw(st.integers(0, 3)) :])

    @OFTEN
    @given(st.sampled_from(list(UPDATES.values())), st.data())
    def twist(update, data):
        tried.append(json.dumps(twisted(update, data)).encode("utf-8", "surrogatepass"))

    tried: list = []
    mutate()
    twist()
    assert len(tried) >= 700
    statuses = {await post(body) for body in tried}
    assert statuses <= {200, 400}


async def test_without_https_the_admin_is_told(channel):
    channel.public_url = "http://hub.example"
    with pytest.raises(BadCredentials, match="https"):
        await channel.start(mode="webhook")


async def test_a_quiet_webhook_proves_its_life_by_asking(channel, telegram):
    adapter = await channel.start(mode="webhook")
    adapter.health.alive_at -= 1000
    await adapter.probe()
    assert adapter.health.silent_for < 100


async def test_polling_opens_no_webhook(channel):
    adapter = await channel.start()
    assert list(adapter.routes()) == []
