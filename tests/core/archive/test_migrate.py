"""The migrations end in the tables that the code uses, on SQLite and on Postgres."""

import importlib.util

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from core.archive.archive import Archive, opened
from core.archive.database import Database
from core.archive.errors import ArchiveRefusal
from core.archive.migrate import MIGRATIONS
from core.archive.record import TakenBack
from core.archive.tables import HEAD, metadata
from tests.core.archive.turns import texts, turn


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


async def test_what_was_archived_by_an_earlier_version_can_be_taken_back(url, tmp_path, pseudonyms):
    database = Database(url, tmp_path)
    kept = turn("canary", conversation="desk/C1/7")
    before = set(kept.__struct_fields__) - {"messages", "room", "event", "deleted"}
    row = {field: getattr(kept, field) for field in before} | {"entry": "1", "day": 1}
    line = {field: getattr(kept.messages[0], field) for field in kept.messages[0].__struct_fields__}
    line |= {"entry": "1", "place": 0, "ids": '["m1", "m2"]'}

    def as_it_was(connection):
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for table, values in (("turns", row), ("said", line)):
            names = ", ".join(values)
            places = ", ".join(f":{name}" for name in values)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)

    async with database.writes(alone=True) as connection:
        await connection.run_sync(as_it_was)
    await database.close()
    async with opened(Archive(url, tmp_path, pseudonyms.of)) as archive:
        assert texts(await archive.history("desk/C1/7")) == ["canary"]
        assert texts(await archive.answered("m1")) == ["canary"]
        assert await archive.take_back([TakenBack("desk", "C1", "m2", 1.0)]) == 1
        assert texts(await archive.history("desk/C1/7")) == [""]
