"""The tables of the archive, for SQLite and Postgres alike. What changes here needs a migration beside it."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, false, text

HEAD = "0002"
"""The migration that makes these tables what they are."""

metadata = MetaData()

turns = Table(
    "turns",
    metadata,
    Column("entry", String(80), primary_key=True),  # sorts by time
    Column("conversation", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("bot", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("direct", Boolean, nullable=False),
    Column("language", Text, nullable=False),
    Column("time", Float(53), nullable=False),  # Unix seconds
    Column("day", Integer, nullable=False),  # since 1970-01-01 UTC
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cost", Float(53), nullable=False),
    Column("room", Text, nullable=False, server_default=text("''")),
    Column("event", Text, nullable=False, server_default=text("''")),
    Column("deleted", Boolean, nullable=False, server_default=false()),
    Index("turns_conversation", "conversation", "entry"),
    Index("turns_account", "account", "entry"),
    Index("turns_channel", "channel", "time"),
    Index("turns_day", "day"),
    Index("turns_event", "event"),
)

said = Table(
    "said",
    metadata,
    Column("entry", String(80), ForeignKey("turns.entry", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("role", String(16), nullable=False),
    Column("author", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("time", Float(53), nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("ids", Text, nullable=False),  # JSON
    Index("said_author", "author"),
)

asked = Table(
    "asked",
    metadata,
    Column("entry", String(80), ForeignKey("turns.entry", ondelete="CASCADE"), primary_key=True),
    Column("message", Text, primary_key=True),  # the platform's id of one in which the question was said
    Index("asked_message", "message"),
)

deleted = Table(
    "deleted",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("room", Text, primary_key=True),
    Column("message", Text, primary_key=True),
    Column("time", Float(53), nullable=False),
    Index("deleted_message", "message"),
)

erased = Table(
    "erased",
    metadata,
    Column("pseudonym", String(64), primary_key=True),
    Column("time", Float(53), nullable=False),
)
