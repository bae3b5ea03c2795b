"""Turns are found by what they answer: by the ids of its messages, within their room, to take them back; and by the id
of the event, to tell what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Of a conversation's name: `channel/room`, `channel/room/thread` or `channel/room//user`. That of a joined chat may
# begin with another channel, and then tells no room.
_ROOM_SQLITE = """
UPDATE turns SET room = substr(conversation, length(channel) + 2,
    instr(substr(conversation, length(channel) + 2) || '/', '/') - 1)
WHERE substr(conversation, 1, length(channel) + 1) = channel || '/'
"""
_ROOM_POSTGRES = """
UPDATE turns SET room = split_part(substr(conversation, length(channel) + 2), '/', 1)
WHERE substr(conversation, 1, length(channel) + 1) = channel || '/'
"""
_ASKED_SQLITE = """
INSERT INTO asked (entry, message)
SELECT DISTINCT said.entry, each.value FROM said, json_each(said.ids) AS each WHERE said.role = 'user'
"""
_ASKED_POSTGRES = """
INSERT INTO asked (entry, message)
SELECT DISTINCT said.entry, id FROM said, json_array_elements_text(said.ids::json) AS id WHERE said.role = 'user'
"""


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.add_column("turns", sa.Column("room", sa.Text, nullable=False, server_default=""))
    op.add_column("turns", sa.Column("event", sa.Text, nullable=False, server_default=""))
    op.add_column("turns", sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("turns_event", "turns", ["event"])
    op.execute(_ROOM_SQLITE if is_sqlite else _ROOM_POSTGRES)
    op.create_table(
        "asked",
        sa.Column("entry", sa.String(80), sa.ForeignKey("turns.entry", ondelete="CASCADE"), primary_key=True),
        sa.Column("message", sa.Text, primary_key=True),
    )
    op.execute(_ASKED_SQLITE if is_sqlite else _ASKED_POSTGRES)
    op.create_index("asked_message", "asked", ["message"])
    op.create_table(
        "deleted",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("room", sa.Text, primary_key=True),
        sa.Column("message", sa.Text, primary_key=True),
        sa.Column("time", sa.Float(53), nullable=False),
    )
    op.create_index("deleted_message", "deleted", ["message"])


def downgrade() -> None:
    for table in ("deleted", "asked"):
        op.drop_table(table)
    op.drop_index("turns_event", "turns")
    for column in ("deleted", "event", "room"):
        op.drop_column("turns", column)
