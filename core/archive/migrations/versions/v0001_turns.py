"""Turns, what was said in them, and who was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("entry", sa.String(80), primary_key=True),
        sa.Column("conversation", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("bot", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("direct", sa.Boolean, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("completion_tokens", sa.Integer, nullable=False),
        sa.Column("cost", sa.Float(53), nullable=False),
    )
    op.create_index("turns_conversation", "turns", ["conversation", "entry"])
    op.create_index("turns_account", "turns", ["account", "entry"])
    op.create_index("turns_channel", "turns", ["channel", "time"])
    op.create_index("turns_day", "turns", ["day"])
    op.create_table(
        "said",
        sa.Column("entry", sa.String(80), sa.ForeignKey("turns.entry", ondelete="CASCADE"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("time", sa.Float(53), nullable=False),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("ids", sa.Text, nullable=False),
    )
    op.create_index("said_author", "said", ["author"])
    op.create_table(
        "erased",
        sa.Column("pseudonym", sa.String(64), primary_key=True),
        sa.Column("time", sa.Float(53), nullable=False),
    )


def downgrade() -> None:
    for table in ("said", "turns", "erased"):
        op.drop_table(table)
