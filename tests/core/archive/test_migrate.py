"""The migrations end in the tables that the code uses, on SQLite and on Postgres."""

import importlib.util

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from core.archive.archive import Archive, opened
from core.archive.database import Database
from core.archive.errors import ArchiveRefusal
from core.archive.migrate import MIGRATIONS
from core.archive.tables import HEAD, metadata


def test_the_newest_migration_is_the_one_that_the_tables_name():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_migrations_and_tables_agree(url, tmp_path):
    database = Database(url, tmp_path)
    await database.open()

    def differences(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, metadata)

    async with database.reads() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_an_archive_of_a_later_version_is_left_alone(url, tmp_path, pseudonyms):
    database = Database(url, tmp_path)
    await database.open()
    async with database.writes() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(ArchiveRefusal, match="later version"):
        async with opened(Archive(url, tmp_path, pseudonyms.of)):
            pass


def test_the_hub_starts_without_importing_the_library_of_the_archive():
    import subprocess
    import sys

    assert importlib.util.find_spec("sqlalchemy")
    code = "import sys, core.application, core.cli.people, core.archive.feed; print('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
