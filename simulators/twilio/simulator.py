"""Twilio's WhatsApp channel on loopback: signed webhooks, the Messages resource, status callbacks, the typing sign.

Each rule names the page it is taken from, below https://www.twilio.com/docs/.
"""

import asyncio
import itertools
import re
import time
from base64 import b64decode
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from simulators.limits import Limit
from simulators.stage import Seen, Simulator, Wire
from simulators.twilio.markup import to_html
from simulators.twilio.messages import ERRORS, Resource, matches
from simulators.twilio.webhooks import Deliveries

DAY = 24 * 3600.0
"""Seconds: whatsapp/key-concepts#the-24-hour-window"""
THROUGHPUT = Limit(80, 1.0)
"""Messages of one sender: whatsapp/best-practices-and-faqs and, for the number,
developers.facebook.com/documentation/business-messaging/whatsapp/throughput. More are queued, for up to four hours.
How many requests an account may make at once (20429) is told nowhere, so that comes on demand only."""
_ADDRESS = re.compile(r"whatsapp:(\+[1-9][0-9]{6,14}|[A-Z]{2}\.[A-Za-z0-9]{1,128})")
"""glossary/what-e164, or an id in place of a number: developers.facebook.com/documentation/business-messaging/whatsapp/
business-scoped-user-ids"""


class TwilioSimulator(Simulator):
    """One account with one WhatsApp sender, and three people who may write to it."""

    platform = "whatsapp"

    def __init__(
        self,
        *,
        account_sid: str = "AC" + "0" * 31 + "1",
        auth_token: str = "fake-twilio-auth-token",
        number: str = "+14155550100",
        limits: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(limits=limits, clock=clock)
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.bot_id = number
        self.clock = clock
        self.users = {"+15551230001": "Ann", "+15551230002": "Ben", "+15551230003": "Chloé"}
        """Who writes: address -> profile name."""
        self.receipts: tuple[str, ...] = ("sent", "delivered", "read")
        """What a sender who gave a StatusCallback is told about each message, in this order."""
        self.failures: deque[int] = deque()
        """Error codes with which the next messages are accepted, and then not delivered."""
        self.late_at_once = True
        """A message outside the window is refused in the answer; else accepted, and failed in a status callback."""
        self.has_typing = True
        """The typing sign is a public beta: without it, its address is not found."""
        self.resources: dict[str, Resource] = {}
        """By id, oldest first."""
        self.read: set[str] = set()
        """Ids of the users' messages that the bot has read."""
        self.heard: dict[str, float] = {}
        """User's address -> when the last message of theirs came, by `clock`."""
        self.files: dict[str, tuple[bytes, str]] = {}
        """Path of a media file -> its bytes and type."""
        self.webhooks = Deliveries(self)
        self._queue: deque[tuple[Resource, str]] = deque()
        """What waits for its turn to be sent, and where to tell of it."""
        self._timer: asyncio.TimerHandle | None = None
        self._ids = itertools.count(time.time_ns() // 1000)  # the hub remembers those of an earlier run

    def settings(self) -> dict[str, Any]:
        return {
            "platform": "whatsapp",
            "account_sid": self.account_sid,
            "auth_token": self.auth_token,
            "number": f"whatsapp:{self.bot_id}",
            "api_url": self.url,
        }

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._record])
        account = f"/2010-04-01/Accounts/{self.account_sid}"
        app.router.add_get("/2010-04-01/Accounts/{sid}.json", self._account)
        app.router.add_post(account + "/Messages.json", self._create)
        app.router.add_get(account + "/Messages.json", self._list)
        app.router.add_get(account + "/Messages/{sid}/Media/{media}", self._media)
        app.router.add_post("/v2/Indicators/Typing.json", self._typing)
        return app

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self.webhooks.stop()
        await super().stop()

    # What users do.

    async def say(self, text: str, *, user: str = "", room: str = "", thread: str | None = None) -> Seen:
        return await self.inbound({"Body": text, "MessageType": "text"}, user=user or room.removeprefix("whatsapp:"))

    async def press(self, message: Seen, value: str, *, user: str = "") -> None:
        """Tap a quick reply: content/twilio-quick-reply."""
        label = next((label for label, known in message.choices if known == value), value)
        form = {"Body": label, "ButtonText": label, "ButtonPayload": value, "MessageType": "button"}
        await self.inbound(
            form | {"OriginalRepliedMessageSid": message.id}, user=user or message.room.removeprefix("whatsapp:")
        )

    async def send_file(self, data: bytes, mime: str, caption: str = "", *, user: str = "") -> Seen:
        """A photo, a voice message, a document: whatsapp/guidance-whatsapp-media-messages."""
        sid = self.new_sid("MM")
        path = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}/Media/{self.new_sid('ME')}"
        self.files[path] = data, mime
        major = mime.partition("/")[0]
        kind = major if major in ("image", "audio", "video") else "document"
        form = {"Body": caption, "MediaUrl0": self.url + path, "MediaContentType0": mime, "MessageType": kind}
        return await self.inbound(form, user=user, sid=sid)

    async def send_location(self, latitude: float, longitude: float, label: str = "", *, user: str = "") -> Seen:
        form = {"Latitude": str(latitude), "Longitude": str(longitude), "Label": label, "Body": ""}
        return await self.inbound(form | {"MessageType": "location"}, user=user)

    async def inbound(self, form: Mapping[str, str], *, user: str = "", sid: str = "") -> Seen:
        """Deliver a message with these fields, filled up with those that all have: messaging/guides/webhook-request."""
        user = user or next(iter(self.users))
        address, sid = f"whatsapp:{user}", sid or self.new_sid("SM")
        self.heard[address] = self.clock()
        fields = {
            "SmsMessageSid": sid,
            "NumMedia": str(int("MediaUrl0" in form)),
            "ProfileName": self.users.get(user, ""),
            "SmsSid": sid,
            "WaId": user.removeprefix("+"),
            "SmsStatus": "received",
            "To": f"whatsapp:{self.bot_id}",
            "NumSegments": "1",
            "ReferralNumMedia": "0",
            "MessageSid": sid,
            "AccountSid": self.account_sid,
            "From": address,
            "ApiVersion": "2010-04-01",
            **form,
        }
        text = fields.get("Body", "")
        media = [fields["MediaUrl0"]] if "MediaUrl0" in fields else []
        self.resources[sid] = Resource(
            sid, fields["To"], address, text, "inbound", "received", self.clock(), media=media
        )
        seen = Seen(
            sid,
            address,
            user,
            text or fields.get("Latitude", "") or "".join(media),
            html=to_html(text),
            name=fields["ProfileName"],
            reply_to=fields.get("OriginalRepliedMessageSid"),
        )
        self.messages.append(seen)
        self.changed()
        await self.webhooks.deliver(fields)
        return seen

    def new_sid(self, prefix: str) -> str:
        """glossary/what-is-a-sid: two letters and 32 hexadecimal digits."""
        return f"{prefix}{next(self._ids):032x}"

    # What the hub calls.

    @web.middleware
    async def _record(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        await self.faults.speaking()
        body = await request.text()
        response = await handler(request) if self._knows(request) else self.problem(20003)
        self.wire.append(Wire(request.method, request.path_qs, body, response.status, inbound=True))
        return response

    def _knows(self, request: web.Request) -> bool:
        """usage/requests-to-twilio: basic auth with the account's SID and token."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        try:
            return scheme == "Basic" and b64decode(given).decode() == f"{self.account_sid}:{self.auth_token}"
        except ValueError:
            return False

    def problem(self, code: int, headers: Mapping[str, str] | None = None) -> web.Response:
        """usage/twilios-response: an error has its status, code, message and a page."""
        status, message = ERRORS[code]
        more_info = f"https://www.twilio.com/docs/errors/{code}"
        body = {"code": code, "message": message, "more_info": more_info, "status": status}
        return web.json_response(body, status=status, headers=headers)

    async def _account(self, request: web.Request) -> web.Response:
        """iam/api/account"""
        if request.match_info["sid"] != self.account_sid:
            return self.problem(20404)
        return web.json_response(
            {
                "sid": self.account_sid,
                "owner_account_sid": self.account_sid,
                "friendly_name": "Acme",
                "status": "active",
                "type": "Full",
                "uri": f"/2010-04-01/Accounts/{self.account_sid}.json",
            }
        )

    async def _create(self, request: web.Request) -> web.Response:
        """messaging/api/message-resource#create-a-message-resource"""
        form = {name: str(value) for name, value in (await request.post()).items()}
        if self.faults.take("throttle"):
            # usage/api/error-20429: the account's concurrency; Retry-After is whole seconds.
            return self.problem(20429, {"Retry-After": str(max(1, round(self.faults.retry_after)))})
        if self.faults.take("refuse"):
            return self.problem(20503)
        is_late = self.clock() - self.heard.get(form.get("To", ""), float("-inf")) > DAY
        if code := self._fault(form) or (63016 if is_late and self.late_at_once else 0):
            return self.problem(code)
        callback = form.get("StatusCallback", "")
        resource = self.take(form["To"], form["Body"], failure=63016 if is_late else 0, callback=callback)
        if self.faults.take("fail_after_accepting"):
            return self.problem(20500)
        return web.json_response(resource.as_json(self.account_sid) | {"status": "queued"}, status=201)

    def _fault(self, form: Mapping[str, str]) -> int:
        """The code of what is wrong with a message, 0 where nothing is: api/errors/<code>."""
        if not form.get("To"):
            return 21604
        if not _ADDRESS.fullmatch(form["To"]):
            return 21211
        if not form.get("From") and not form.get("MessagingServiceSid"):
            return 21603
        if form.get("From", f"whatsapp:{self.bot_id}") != f"whatsapp:{self.bot_id}":
            return 63007
        if not form.get("Body", "").strip():
            return 21619
        return 21617 if len(form["Body"]) > 1600 else 0

    def take(self, to: str, body: str, failure: int = 0, callback: str = "") -> Resource:
        """Accept a message; its reader sees it when its turn comes, unless it is to fail on the way."""
        failure = failure or (self.failures.popleft() if self.failures else 0)
        sender = f"whatsapp:{self.bot_id}"
        resource = Resource(
            self.new_sid("SM"), to, sender, body, "outbound-api", "queued", self.clock(), error=failure or None
        )
        self.resources[resource.sid] = resource
        self._queue.append((resource, callback))
        if self._timer is None:
            self._send()
        return resource

    def _send(self) -> None:
        """What of the queue may go now; for the rest, come back later."""
        self._timer = None
        while self._queue:
            if wait := self.meter.take((THROUGHPUT, self.bot_id)):
                self._timer = asyncio.get_running_loop().call_later(wait, self._send)
                return
            resource, callback = self._queue.popleft()
            resource.status = "undelivered" if resource.error else "delivered"
            if not resource.error:
                self._show(resource)
            if callback:
                self.webhooks.report(resource, callback)

    def _show(self, resource: Resource) -> None:
        to, body = resource.to, resource.body
        # whatsapp/api/typing-indicators-resource: the sign goes when the answer is delivered.
        self.typing.pop(to, None)
        self.messages.append(Seen(resource.sid, to, self.bot_id, body, html=to_html(body), name="Acme", is_bot=True))
        self.changed()

    async def _list(self, request: web.Request) -> web.Response:
        """messaging/api/message-resource#read-multiple-message-resources: newest first, filtered, in pages."""
        query = request.query
        found = [resource for resource in reversed(self.resources.values()) if matches(resource, query)]
        size, page = min(int(query.get("PageSize", "50")), 1000), int(query.get("Page", "0"))
        shown = found[page * size : (page + 1) * size]
        follows = (page + 1) * size < len(found)
        return web.json_response(
            {
                "messages": [resource.as_json(self.account_sid) for resource in shown],
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + max(0, len(shown) - 1),
                "uri": request.path_qs,
                "first_page_uri": str(request.rel_url.update_query(Page="0")),
                "next_page_uri": str(request.rel_url.update_query(Page=str(page + 1))) if follows else None,
                "previous_page_uri": str(request.rel_url.update_query(Page=str(page - 1))) if page else None,
            }
        )

    async def _media(self, request: web.Request) -> web.Response:
        """messaging/api/media-resource"""
        if request.path not in self.files:
            return self.problem(20404)
        data, mime = self.files[request.path]
        return web.Response(body=data, content_type=mime)

    async def _typing(self, request: web.Request) -> web.Response:
        """whatsapp/api/typing-indicators-resource: about a message of the user's, which it marks as read; 25 s."""
        form = await request.post()
        about = self.resources.get(str(form.get("messageId")))
        if not self.has_typing or about is None or about.direction != "inbound" or form.get("channel") != "whatsapp":
            return self.problem(20404)
        self.read.add(about.sid)
        self.typing[about.from_] = time.monotonic() + 25
        self.changed()
        return web.json_response({"success": True})
