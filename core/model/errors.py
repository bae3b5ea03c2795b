"""What can go wrong with a language model, by what to do next.

ModelError                      the language model gave no whole answer
├─ ModelThrottled               wait `retry_after`, then ask the same again, or the next model
├─ ModelUnavailable             ask again later, or the next model
├─ BadModelKey                  an admin must act; until then the next model
├─ ModelRefused                 never ask the same again
└─ BrokenStream                 the answer broke off after `said`
"""

from core.errors import HubError


class ModelError(HubError):
    """The language model gave no whole answer."""

    charged = False
    """The server had taken the question: it may want money for that."""


class ModelThrottled(ModelError):
    """The server asks us to wait."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds; None where the server named no time."""


class ModelUnavailable(ModelError):
    """Not reached, too slow, broken or busy; nothing was said yet."""

    def __init__(self, message: str, retry_after: float | None = None, *, charged: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds; None where nobody knows."""
        self.charged = charged


class BadModelKey(ModelError):
    """The server refuses our key, plan, address or model name. The message says what to do."""


class ModelRefused(ModelError):
    """The server will not answer this request: too long, malformed, or against its rules."""

    def __init__(self, message: str, code: str = "", *, charged: bool = False) -> None:
        super().__init__(message)
        self.code = code
        """The server's word for it, such as `context_length_exceeded` or `content_filter`."""
        self.charged = charged


class BrokenStream(ModelError):
    """The answer stalled, was cut off, was garbled or never ended."""

    charged = True

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said
        """The text that was already yielded."""
