"""What Slack will not do."""


class Refusal(Exception):
    """An answer `ok: false`; `more`: what stands beside the error."""

    def __init__(self, code: str, **more: str) -> None:
        super().__init__(code)
        self.answer = {"ok": False, "error": code, **more}
