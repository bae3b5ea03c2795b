"""WhatsApp through Twilio: takes signed webhooks, answers by REST."""

import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

import msgspec
import structlog
from aiohttp import web

from adapters.whatsapp.client import MEANINGS, KeysRefused, TwilioApi
from adapters.whatsapp.inbound import Delivery, to_delivery, to_event
from adapters.whatsapp.render import to_whatsapp
from adapters.whatsapp.settings import WhatsAppSettings
from adapters.whatsapp.signature import Verifier, body_is_signed
from core.adapter import Adapter, Capabilities, Route, Wiring
from core.errors import BadCredentials, Undeliverable, setting_up
from core.events import Address, Part, Sent
from core.markdown import utf16_units

log = structlog.get_logger(__name__)

BODY_LIMIT = 256 * 1024
"""Bytes. A form of Twilio's with a message of 4,096 emoji has some 60 kB."""
_MOST_FIELDS = 1000
_PROVEN_FOR = 60.0
"""Seconds for which a call that Twilio answered proves that the keys are good."""
_ADVICE = (
    ": check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN against the Twilio Console, "
    "Account > API keys & tokens (the live, primary token)"
)
_NOTHING = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
"""TwiML that says nothing: the answer comes by REST, whenever it is ready."""
_SIGNATURE, _SIGNATURE_SETTINGS = "X-Twilio-Signature", "X-Twilio-Webhooks-Signature-Settings"


class WhatsAppAdapter(Adapter[WhatsAppSettings]):
    capabilities = Capabilities(max_text=1600, typing_lasts=25, can_find=True, redelivers=False)

    def __init__(self, settings: WhatsAppSettings, wiring: Wiring) -> None:
        super().__init__(settings, wiring)
        token = settings.auth_token.get_secret_value()
        shared = {name: secret.get_secret_value() for name, secret in settings.shared_keys.items()}
        self._verifier = Verifier(wiring.public_url, token, shared)
        self._api = TwilioApi(settings, wiring.http)
        self._refused = ""
        """Why Twilio refused our keys, since it has."""
        self._shows_typing = True
        self._undelivered = 0
        # Twilio refuses a message whose status callback it could never reach.
        reachable = wiring.public_url.startswith("https://") or not settings.is_twilio
        self._callback = f"{wiring.webhook_url}/status?key=" if reachable else ""

    def routes(self) -> Iterable[Route]:
        return (Route(self._take), Route(self._take, "/status"))

    async def start(self) -> None:
        if missing := self.settings.missing():
            raise BadCredentials(f"set {', '.join(self.settings.environment[key] for key in missing)}")
        await self._prove()

    async def stop(self) -> None:
        """Nothing is held: the session belongs to the hub."""

    async def probe(self) -> None:
        if self._refused:
            raise BadCredentials(self._refused)
        if self.health.silent_for > _PROVEN_FOR:
            await self._prove()

    async def _prove(self) -> None:
        """Look the account up, which needs the keys and costs nothing."""
        with setting_up("Twilio", _ADVICE):
            account = await self._api.account()
        if account.status != "active":
            raise BadCredentials(f"the Twilio account is {account.status}: see the Twilio Console")
        self.health.connected(f"{self.settings.number} ({account.friendly_name})")

    def measure(self, text: str) -> int:
        # Twilio counts characters; counted in UTF-16, an emoji is two, which is never too few.
        return utf16_units(to_whatsapp(text))

    async def send(self, to: Address, part: Part, key: str) -> Sent:
        fields = {"To": to.room, "From": self.settings.sender, "Body": to_whatsapp(part.text)}
        if self.settings.messaging_service_sid:
            fields["MessagingServiceSid"] = self.settings.messaging_service_sid
        if self._callback:
            fields["StatusCallback"] = self._callback + quote(key)
        try:
            message = await self._api.create_message(fields)
        except KeysRefused as error:
            self._refused = f"{error}: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
            raise
        self.health.touch()
        return Sent(to, message.sid)

    async def find(self, to: Address, part: Part, key: str, since: float) -> Sent | None:
        # No DateSent filter: it would hide what is still queued. The newest page of one chat is enough.
        messages = await self._api.list_messages(
            {"To": to.room, "From": self.settings.sender, "PageSize": "50"},
        )
        body = to_whatsapp(part.text).strip()
        for message in messages:
            is_alive = message.status not in ("failed", "undelivered", "canceled")
            # Twilio's times are whole seconds, by its own clock.
            if is_alive and (message.body or "").strip() == body and _time(message.date_created) >= since - 2:
                return Sent(to, message.sid)
        return None

    async def typing(self, to: Address) -> None:
        if not self._shows_typing or to.reply is None:
            return
        try:
            await self._api.show_typing(to.reply)
        except Undeliverable as error:
            # In public beta, and not on every account: going without is no fault.
            self._shows_typing = False
            log.info("no typing sign", channel=self.wiring.channel, reason=str(error))

    async def _take(self, request: web.Request) -> web.Response:
        """Raises IntakeError."""
        form = await self._authentic(request)
        if delivery := to_delivery(form):
            await self._note(delivery, request.query.get("key", ""))
        elif not self._is_ours(form):
            log.warning("webhook for another number", channel=self.wiring.channel, to=form.get("To", ""))
        else:
            token = request.headers.get("I-Twilio-Idempotency-Token", "")
            if event := to_event(self.wiring.channel, form, time.time(), token):
                await self.wiring.inbox(event)
        return web.Response(body=_NOTHING, content_type="text/xml")

    def _is_ours(self, form: dict[str, str]) -> bool:
        """An answer to a message for another number would come from a stranger."""
        return form.get("To", "") == self.settings.sender or bool(self.settings.messaging_service_sid)

    async def _note(self, delivery: Delivery, key: str) -> None:
        if not delivery.failed:
            return
        meaning = MEANINGS.get(delivery.code, "see https://www.twilio.com/docs/api/errors")
        self._undelivered += 1
        self.health.detail = f"{self._undelivered} not delivered, last: {meaning} ({delivery.code})"
        log.warning(
            "not delivered",
            channel=self.wiring.channel,
            message=delivery.sid,
            key=key,
            code=delivery.code,
            meaning=meaning,
        )

    async def _authentic(self, request: web.Request) -> dict[str, str]:
        """The fields of a request that Twilio signed for our account; all others are refused.

        The address is the configured one, whatever Host and X-Forwarded headers claim."""
        signatures = request.headers.getall(_SIGNATURE, [])
        settings = request.headers.getall(_SIGNATURE_SETTINGS, [])
        if len(signatures) != 1 or len(settings) > 1:
            raise web.HTTPForbidden(text="not signed\n")
        if request.content_type not in _READERS:
            raise web.HTTPUnsupportedMediaType(text="a form is expected\n")
        body = await request.read()
        if len(body) > BODY_LIMIT:
            raise web.HTTPRequestEntityTooLarge(BODY_LIMIT, len(body))
        is_form = request.content_type == _FORM
        try:
            fields = _READERS[request.content_type](body)
        except (ValueError, msgspec.DecodeError) as error:
            raise web.HTTPForbidden(text="cannot be read\n") from error
        if not (is_form or body_is_signed(request.raw_path, body)) or not self._verifier.accepts(
            request.raw_path, fields if is_form else (), signatures[0], "".join(settings)
        ):
            raise web.HTTPForbidden(text="wrong signature\n")
        form = dict(fields)
        if form.get("AccountSid") != self.settings.account_sid:
            raise web.HTTPForbidden(text="another account\n")
        return form


def _read_form(body: bytes) -> list[tuple[str, str]]:
    """As `parse_qsl` that keeps empty fields, for these are signed as well; at half the cost."""
    pairs = body.decode().replace("+", " ").split("&")
    if len(pairs) > _MOST_FIELDS:
        raise ValueError("too many fields")
    split = (pair.partition("=") for pair in pairs if pair)
    return [
        (unquote(name) if "%" in name else name, unquote(value) if "%" in value else value) for name, _, value in split
    ]


def _read_json(body: bytes) -> list[tuple[str, str]]:
    return list(msgspec.json.decode(body, type=dict[str, str]).items())


_FORM = "application/x-www-form-urlencoded"
_READERS = {_FORM: _read_form, "application/json": _read_json}


def _time(rfc2822: str | None) -> float:
    return parsedate_to_datetime(rfc2822).timestamp() if rfc2822 else time.time()
