"""The Messages resource, and the errors that Twilio answers with."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ERRORS = {
    # The bodies of errors: usage/twilios-response. The codes: api/errors/<code>.
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    20503: (503, "Service Unavailable"),
    21211: (400, "The 'To' number is not a valid phone number"),
    21603: (400, "A 'From' phone number is required"),
    21604: (400, "A 'To' phone number is required"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21619: (400, "A text message body or media urls must be specified"),
    63007: (400, "Twilio could not find a Channel with the specified From address"),
    63016: (400, "Failed to send freeform message because you are outside the allowed window"),
}


@dataclass(slots=True)
class Resource:
    """messaging/api/message-resource"""

    sid: str
    to: str
    from_: str
    body: str
    direction: str
    status: str
    created: float
    media: list[str] = field(default_factory=list)
    error: int | None = None

    def as_json(self, account: str) -> dict[str, Any]:
        when = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(self.created))
        uri = f"/2010-04-01/Accounts/{account}/Messages/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": account,
            "messaging_service_sid": None,
            "api_version": "2010-04-01",
            "to": self.to,
            "from": self.from_,
            "body": self.body,
            "direction": self.direction,
            "status": self.status,
            "date_created": when,
            "date_updated": when,
            "date_sent": None if self.status in ("queued", "accepted") else when,
            "error_code": self.error,
            "error_message": ERRORS[self.error][1] if self.error in ERRORS else None,
            "num_media": str(len(self.media)),
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "uri": f"{uri}.json",
            "subresource_uris": {"media": f"{uri}/Media.json"},
        }


def matches(resource: Resource, query: Mapping[str, str]) -> bool:
    """Filters of the list; dates are whole days in GMT."""
    day = time.strftime("%Y-%m-%d", time.gmtime(resource.created))
    return (
        resource.to == query.get("To", resource.to)
        and resource.from_ == query.get("From", resource.from_)
        and day == query.get("DateSent", day)
        and day >= query.get("DateSent>", day)[:10]
        and day <= query.get("DateSent<", day)[:10]
    )
