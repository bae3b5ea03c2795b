"""Brings the archive's tables up to date, whoever else is doing so at the same time."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from core.archive.errors import ArchiveRefusal
from core.archive.tables import HEAD

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> None:
    """Within a transaction that no other process is in. Raises ArchiveRefusal where a later hub has been here."""
    if not is_current(connection):
        _upgrade(connection)


def is_current(connection: Connection) -> bool:
    """Cheap, for the usual case: importing Alembic takes longer than starting the rest of the hub."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    return bool(connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise ArchiveRefusal(f"the archive belongs to a later version of the hub ({error})") from error
