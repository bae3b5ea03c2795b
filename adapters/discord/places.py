"""What must be known of the surroundings to read a payload: who we are, which rooms are threads, where guilds greet."""

from dataclasses import dataclass, field
from typing import Any

from adapters.discord.payloads import THREADS, Channel, Guild, Ready, ThreadList, typed
from core.events import Address, AnyEvent, Message, User

_REMEMBERED = 1000


@dataclass(slots=True)
class Places:
    me: str = ""
    under_mentions: bool = False
    """A mention at the top of a channel is answered in a thread under it."""
    guilds: set[str] = field(default_factory=set)
    threads: dict[str, str] = field(default_factory=dict)
    """Thread -> the channel it hangs under."""
    homes: dict[str, Channel] = field(default_factory=dict)
    """Every channel and thread of a guild that was told of."""
    lobbies: dict[str, str] = field(default_factory=dict)
    """Guild -> where it greets who joins."""
    roles: set[str] = field(default_factory=set)
    """Roles that are the bot's alone: naming one names the bot."""
    said: dict[str, tuple[Address, User, bool]] = field(default_factory=dict)
    """The last messages: deletions tell neither author nor place of the answer."""

    def is_thread(self, room: str, channel_type: int | None) -> bool:
        return channel_type in THREADS if channel_type is not None else room in self.threads

    def ready(self, data: Any) -> None:
        """A new session: what we are, and where we already were."""
        ready = typed(data, Ready)
        self.me = ready.user.id
        self.guilds = {guild.id for guild in ready.guilds}

    def learn(self, name: str, data: Any) -> None:
        """Take in what the gateway tells of guilds, channels and threads. Raises Malformed."""
        match name:
            case "GUILD_CREATE":
                self._guild(typed(data, Guild))
            case "GUILD_DELETE":
                guild = typed(data, Guild)
                if not guild.unavailable:
                    self.guilds.discard(guild.id)
            case "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE":
                self.add(typed(data, Channel))
            case "CHANNEL_DELETE" | "THREAD_DELETE":
                gone = typed(data, Channel).id
                self.homes.pop(gone, None)
                self.threads.pop(gone, None)
            case "THREAD_LIST_SYNC":
                for thread in typed(data, ThreadList).threads:
                    self.add(thread)

    def add(self, channel: Channel) -> None:
        self.homes[channel.id] = channel
        if channel.type in THREADS:
            self.threads[channel.id] = channel.parent_id or ""

    def remember(self, event: AnyEvent) -> None:
        if not isinstance(event, Message):
            return
        self.said[event.message_id] = (event.address, event.user, event.direct)
        if len(self.said) > _REMEMBERED:
            del self.said[next(iter(self.said))]

    def _guild(self, guild: Guild) -> None:
        self.guilds.add(guild.id)
        self.roles |= {role.id for role in guild.roles if role.tags and role.tags.bot_id == self.me}
        for channel in (*guild.channels, *guild.threads):
            channel.guild_id = guild.id
            self.add(channel)
        if lobby := lobby_of(guild):
            self.lobbies[guild.id] = lobby


def lobby_of(guild: Guild) -> str | None:
    """Where a guild greets, else its first text channel."""
    texts = (channel.id for channel in guild.channels if channel.type == 0)
    return guild.system_channel_id or next(texts, None)
