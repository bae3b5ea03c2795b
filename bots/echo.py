"""Says what it hears: the bot to copy.

A bot is one file in this folder with a class `Bot`. The hub calls `respond` once for each message, command text or
pressed button, one at a time in each conversation. It yields the answer: strings are pieces of one Markdown message, in
the order they become known; a `Part` is a whole message with buttons; nothing at all is a deliberate silence.

Of the turn it may use `text`, `user`, `direct`, `history` (what was said before, oldest first) and `attachments`, and
call `turn.forget()` to end the session. It never sees a platform. After a crash the same turn may be asked again.
"""

from collections.abc import AsyncIterator

from core import bot as port
from core.events import Part


class Bot(port.Bot[port.BotSettings]):
    async def respond(self, turn: port.Turn) -> AsyncIterator[str | Part]:
        if turn.text.strip():
            yield turn.text
        for attachment in turn.attachments:
            yield f"\n\n({attachment.kind}: {attachment.name or 'without a name'})"
