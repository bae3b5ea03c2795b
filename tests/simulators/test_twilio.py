"""The simulated Twilio keeps Twilio's rules, seen by the unmodified SDK and a hub of a few lines."""

import asyncio
import base64
import json
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from simulators.twilio import TwilioSimulator
from simulators.twilio.markup import to_html
from simulators.twilio.webhooks import sign

SPEC = json.loads(
    (Path(__file__).parent.parent / "adapters" / "payloads" / "whatsapp" / "spec" / "openapi.json").read_text()
)
ANN, BOT = "whatsapp:+15551230001", "whatsapp:+14155550100"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Listener:
    """The bare receiving end of webhooks."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.tokens: list[str] = []
        self.statuses: list[int] = []
        self.answer = "<Response/>"
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        form = await request.post()
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator("fake-twilio-auth-token").validate(f"{self.url}{request.raw_path}", form, signature)
        self.forms.append(dict(form))
        self.tokens.append(request.headers["I-Twilio-Idempotency-Token"])
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(text=self.answer, content_type="text/xml", status=status)


@pytest.fixture
async def hub():
    listener, app = Listener(), web.Application()
    app.router.add_post("/{path:.*}", listener.take)
    async with TestServer(app) as server:
        listener.url = f"http://127.0.0.1:{server.port}"
        yield listener


@pytest.fixture
async def twilio(hub):
    async with TwilioSimulator(clock=Clock()) as twilio:
        twilio.webhook_url = f"{hub.url}/sms?a=%20b%2Fc"
        yield twilio


@pytest.fixture
async def sdk(twilio):
    with warnings.catch_warnings():
        # aiohttp's about the SDK's way to authenticate
        warnings.simplefilter("ignore", DeprecationWarning)
        async with AsyncTwilioHttpClient() as http:
            client = Client(twilio.account_sid, twilio.auth_token, http_client=http)
            client.api.base_url = client.messaging.base_url = twilio.url
            yield client


async def send(sdk: Client, body: str = "hi", to: str = ANN, **more: Any) -> Any:
    return await sdk.messages.create_async(to=to, from_=BOT, body=body, **more)


def test_twilios_published_examples_get_their_published_signatures():
    """usage/webhooks/webhooks-security, and the tests of Twilio's SDKs."""
    url, caller = "https://mycompany.com/myapp.php?foo=1&bar=2", "+14158675309"
    fields = {"Digits": "1234", "To": "+18005551212", "From": caller, "Caller": caller, "CallSid": "CA1234567890ABCDE"}
    assert sign(url, fields.items(), "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    repeated = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")]
    assert sign(url, repeated, "12345") == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


async def test_the_sdk_accepts_the_signature_and_sees_who_wrote_what(twilio, hub):
    await twilio.say("hello")
    await twilio.say("salut", user="+15551230003")
    said = [(form["ProfileName"], form["From"], form["Body"]) for form in hub.forms]
    assert said == [("Ann", ANN, "hello"), ("Chloé", "whatsapp:+15551230003", "salut")]


async def test_a_message_by_the_sdk_is_seen_by_its_reader(twilio, sdk):
    said = await twilio.say("hello")
    message = await send(sdk, "*hi*")
    answer = await twilio.answer_to(said)
    assert (message.status, answer.id, answer.html) == ("queued", message.sid, "<strong>hi</strong>")


@pytest.mark.parametrize(
    ("body", "to", "code"),
    [
        ("x" * 1601, ANN, 21617),
        ("hi", "whatsapp:nobody", 21211),
        (" ", ANN, 21619),
        ("hi", "whatsapp:+15550009", 63016),
    ],
)
async def test_what_twilio_refuses_is_refused_with_its_code(twilio, sdk, body, to, code):
    await twilio.say("hello")
    with pytest.raises(TwilioRestException) as error:
        await send(sdk, body, to)
    assert (error.value.status, error.value.code) == (400, code)
    assert not any(message.is_bot for message in twilio.messages)


async def test_1600_characters_are_not_too_many(twilio, sdk):
    await twilio.say("hello")
    assert (await send(sdk, "x" * 1600)).sid


async def test_another_sender_and_wrong_keys_are_refused(twilio, sdk):
    await twilio.say("hello")
    with pytest.raises(TwilioRestException) as error:
        await sdk.messages.create_async(to=ANN, from_="whatsapp:+15550000000", body="hi")
    assert error.value.code == 63007
    twilio.auth_token = "another-fake-token"
    with pytest.raises(TwilioRestException) as error:
        await send(sdk)
    assert (error.value.status, error.value.code) == (401, 20003)


async def test_the_window_closes_after_a_day_and_opens_with_the_next_message(twilio, sdk):
    await twilio.say("hello")
    twilio.clock.now += 24 * 3600 - 1
    await send(sdk)
    twilio.clock.now += 2
    with pytest.raises(TwilioRestException) as error:
        await send(sdk)
    assert error.value.code == 63016
    await twilio.say("again")
    await send(sdk)


async def test_a_message_outside_the_window_may_also_fail_later(twilio, sdk, hub):
    twilio.late_at_once = False
    await send(sdk, status_callback=f"{hub.url}/status")
    await twilio.webhooks.reported()
    assert [(form["MessageStatus"], form["ErrorCode"]) for form in hub.forms] == [("undelivered", "63016")]
    assert twilio.messages == []


async def test_the_sender_is_told_what_becomes_of_a_message(twilio, sdk, hub):
    await twilio.say("hello")
    message = await send(sdk, status_callback=f"{hub.url}/status?key=ABC")
    await twilio.webhooks.reported()
    told = [(form["MessageSid"], form["MessageStatus"]) for form in hub.forms[1:]]
    assert told == [(message.sid, status) for status in ("sent", "delivered", "read")]


async def test_faults_of_the_api_come_as_often_as_asked(twilio, sdk):
    await twilio.say("hello")
    twilio.faults.throttle = twilio.faults.refuse = twilio.faults.fail_after_accepting = 1
    codes = []
    for _ in range(3):
        with pytest.raises(TwilioRestException) as error:
            await send(sdk)
        codes.append((error.value.status, error.value.code))
    assert codes == [(429, 20429), (503, 20503), (500, 20500)]
    assert len([message for message in twilio.messages if message.is_bot]) == 1
    await send(sdk)


async def test_a_duplicate_is_the_same_message_again(twilio, hub):
    twilio.faults.duplicate = 1
    await twilio.say("hello")
    await twilio.say("bye")
    first, again, other = (form["MessageSid"] for form in hub.forms)
    assert first == again != other


async def test_reordered_messages_come_in_reverse(twilio, hub):
    twilio.faults.reorder = 3
    for text in ("one", "two", "three", "four"):
        await twilio.say(text)
    assert [form["Body"] for form in hub.forms] == ["three", "two", "one", "four"]


async def test_a_silent_platform_delivers_nothing_and_answers_nothing(twilio, sdk, hub):
    twilio.faults.silent = True
    await twilio.say("hello")
    looking = asyncio.create_task(sdk.api.accounts(twilio.account_sid).fetch_async())
    done, _ = await asyncio.wait([looking], timeout=0.1)
    assert (hub.forms, done) == ([], set())
    twilio.faults.silent = False
    assert (await looking).friendly_name == "Acme"


async def test_an_error_is_not_retried_unless_the_address_asks_for_it(twilio, hub):
    hub.statuses = [503]
    await twilio.say("hello")
    assert len(hub.forms) == 1
    hub.statuses = [503, 503]
    twilio.webhook_url += "#rc=5&rp=all"
    await twilio.say("again")
    assert len(hub.forms) == 4
    assert len(set(hub.tokens[1:])) == 1


async def test_a_hub_that_is_away_is_called_twice(twilio):
    twilio.webhook_url = f"http://127.0.0.1:{unused_port()}/sms"
    await twilio.say("hello")
    assert twilio.webhooks.failed == ["11200: HTTP retrieval failure (no connection)"] * 2


async def test_an_answer_in_twiml_is_shown_to_the_user(twilio, hub):
    hub.answer = "<Response><Message>one &amp; only</Message><Message><Body>two</Body></Message></Response>"
    await twilio.say("hello")
    assert [message.text for message in twilio.messages if message.is_bot] == ["one & only", "two"]


async def test_typing_is_about_a_message_of_the_users(twilio, sdk):
    said = await twilio.say("hello")
    assert (await sdk.messaging.v2.typing_indicator.create_async("whatsapp", said.id)).success
    assert said.room in twilio.typing
    with pytest.raises(TwilioRestException):
        await sdk.messaging.v2.typing_indicator.create_async("whatsapp", "SM" + "f" * 32)


async def test_the_list_is_filtered_paged_and_newest_first(twilio, sdk):
    await twilio.say("hello")
    for number in range(5):
        await send(sdk, str(number))
    listed = await sdk.messages.list_async(to=ANN, from_=BOT, page_size=2)
    assert [message.body for message in listed] == ["4", "3", "2", "1", "0"]
    assert await sdk.messages.list_async(to="whatsapp:+15551230002") == []
    assert await sdk.messages.list_async(date_sent_before="2000-01-01") == []


async def test_a_file_can_be_fetched_with_the_keys_only(twilio, hub):
    await twilio.send_file(b"picture", "image/png", "look")
    (form,) = hub.forms
    assert (form["NumMedia"], form["MediaContentType0"], form["MessageType"]) == ("1", "image/png", "image")
    async with twilio.http.get(form["MediaUrl0"]) as response:
        assert response.status == 401
    keys = base64.b64encode(f"{twilio.account_sid}:{twilio.auth_token}".encode()).decode()
    async with twilio.http.get(form["MediaUrl0"], headers={"Authorization": f"Basic {keys}"}) as response:
        assert (await response.read(), response.content_type) == (b"picture", "image/png")


async def test_everything_is_still_there_after_a_restart_on_the_same_port(twilio, sdk):
    await twilio.say("hello")
    await send(sdk)
    port = int(twilio.url.rpartition(":")[2])
    await twilio.stop()
    await twilio.start(port)
    assert [message.body for message in await sdk.messages.list_async()] == ["hi", "hello"]


async def test_answers_are_as_in_twilios_own_specification(twilio):
    await twilio.say("hello")
    keys = base64.b64encode(f"{twilio.account_sid}:{twilio.auth_token}".encode()).decode()
    head = {"Authorization": f"Basic {keys}"}
    base = f"{twilio.url}/2010-04-01/Accounts/{twilio.account_sid}"
    async with twilio.http.post(
        f"{base}/Messages.json", data={"To": ANN, "From": BOT, "Body": "hi"}, headers=head
    ) as response:
        check("/2010-04-01/Accounts/{AccountSid}/Messages.json", "post", "201", await response.json())
    async with twilio.http.get(f"{base}/Messages.json", headers=head) as response:
        check("/2010-04-01/Accounts/{AccountSid}/Messages.json", "get", "200", await response.json())
    async with twilio.http.get(f"{base}.json", headers=head) as response:
        check("/2010-04-01/Accounts/{Sid}.json", "get", "200", await response.json())


def check(path: str, method: str, status: str, answer: Any) -> None:
    content = SPEC["paths"][path][method]["responses"][status]["content"]["application/json"]
    document = _nullable(SPEC) | {"$ref": "#/answer", "answer": _nullable(content["schema"])}
    jsonschema.validate(answer, document)
    properties = content["schema"].get("properties")
    assert properties is None or set(answer) <= set(properties)


def _nullable(part: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` becomes a type, and no field is unknown."""
    if isinstance(part, list):
        return [_nullable(each) for each in part]
    if not isinstance(part, dict):
        return part
    changed = {key: _nullable(value) for key, value in part.items()}
    if part.get("nullable") is True and isinstance(part.get("type"), str):
        changed["type"] = [part["type"], "null"]
    if isinstance(part.get("properties"), dict) and part.get("type") == "object":
        changed["additionalProperties"] = False
    return changed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*b* _i_ ~s~ `c` 2*3*4 a_b_c", "<strong>b</strong> <em>i</em> <s>s</s> <code>c</code> 2*3*4 a_b_c"),
        ("_*both*_", "<em><strong>both</strong></em>"),
        ("> said\nnot", "<blockquote>said</blockquote><br>not"),
        ("```a\n*b*```", "<pre>a\n*b*</pre>"),
        ("<script>*x*</script>", "&lt;script&gt;<strong>x</strong>&lt;/script&gt;"),
        ("* no * and *\u200bno\u200b*", "* no * and *no*"),
    ],
)
def test_markup_is_shown_as_the_app_shows_it(text, shown):
    assert to_html(text) == shown
