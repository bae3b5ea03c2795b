"""What can go wrong, by what to do next. Callers read the class and its attributes, never the text.

HubError
├─ ConfigError                 the YAML is wrong; nothing was started
├─ IntakeError                 the event was not made durable: the platform must deliver it again
├─ StoreError                  the store did not answer
├─ BotError                    the bot failed; the turn is tried again
├─ SetupError
│  ├─ NotReady                 try again later
│  └─ BadCredentials           an admin must act
└─ SendError
   ├─ Throttled                wait `retry_after`, then send the same again
   ├─ Unavailable              certainly not sent; try again later
   ├─ Unconfirmed              may have been sent: look before sending again
   └─ Undeliverable            never retry
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal


class HubError(Exception):
    """The root of all errors that mean something here."""


class ConfigError(HubError):
    """The configuration is wrong. `faults` holds one line a fault, each with its place."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class IntakeError(HubError):
    """The event was not made durable. Webhooks answer 503 with `Retry-After`; pollers do not move on."""

    def __init__(self, message: str, retry_after: float = 2.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds."""


class StoreError(HubError):
    """The store did not answer in time, refused the connection or is full."""


class BotError(HubError):
    """The bot failed at a turn, whatever it raised."""


class SetupError(HubError):
    """A channel cannot work as it is."""


class NotReady(SetupError):
    """The platform cannot be reached now; the supervisor tries again."""


class BadCredentials(SetupError):
    """The platform refuses our keys or rights; only an admin can help. The message says what to do."""


class SendError(HubError):
    """A message did not get through."""


class Throttled(SendError):
    """The platform asks us to wait."""

    def __init__(self, retry_after: float, scope: Literal["room", "bot"] = "room") -> None:
        super().__init__(f"throttled for {retry_after:g} s ({scope})")
        self.retry_after = retry_after
        """Seconds."""
        self.scope = scope
        """Whether this room or the whole channel must wait."""


class Unavailable(SendError):
    """The platform certainly did not take it (refused connection, 5xx before acceptance)."""


class Unconfirmed(SendError):
    """The platform may have taken it: the answer was lost (time-out, broken connection, 5xx)."""


class Undeliverable(SendError):
    """The platform will never take it: blocked by the user, room gone, text refused."""


@contextmanager
def setting_up(platform: str, advice: str = "") -> Iterator[None]:
    """Around what a channel cannot start without: a refusal is for an admin, who reads `advice` behind it; all else is
    tried again. Raises SetupError in place of SendError."""
    try:
        yield
    except Undeliverable as error:
        raise BadCredentials(f"{error}{advice}") from error
    except SendError as error:
        raise NotReady(f"{platform} cannot be reached: {error}") from error
