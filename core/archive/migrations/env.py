"""Run by Alembic: brings the tables up to date within the transaction that it is handed."""

from alembic import context

from core.archive.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
