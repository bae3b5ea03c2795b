"""What `Address.reply` says on Discord: which message to quote, where to open a thread, which interaction to answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quote:
    """Answer with a reference to this message."""

    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Opening:
    """Answer in the thread under this message, opened if it is not there yet."""

    parent: str
    message: str
    title: str

    def __str__(self) -> str:
        return f"{self.parent}/{self.message}/{self.title}"


@dataclass(frozen=True, slots=True)
class Interaction:
    """Answer a slash command by its token, which lives for 15 minutes."""

    id: str
    application: str
    token: str
    private: bool
    """Only the one who gave the command sees the answer."""

    def __str__(self) -> str:
        return f"{'private' if self.private else 'public'}:{self.id}/{self.application}/{self.token}"


Handle = Quote | Opening | Interaction


def read(reply: str | None) -> Handle | None:
    """The handle behind `Address.reply`."""
    if not reply:
        return None
    audience, _, interaction = reply.partition(":")
    if audience in ("private", "public"):
        number, application, token = interaction.split("/", 2)
        return Interaction(number, application, token, audience == "private")
    if "/" in reply:
        parent, message, title = reply.split("/", 2)
        return Opening(parent, message, title)
    return Quote(reply)
