"""Run by Alembic. The connection is given by `indexers.upgrade`, or made from `-x collection=DIR` on a command line."""

from pathlib import Path

from alembic import context

from indexers import schema
from indexers.database import FILE, connect
from indexers.words import include_object


def migrate(connection) -> None:  # type: ignore[no-untyped-def]
    context.configure(
        connection=connection,
        target_metadata=schema.metadata,
        render_as_batch=True,
        compare_type=True,
        include_object=include_object,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    folder = Path(context.get_x_argument(as_dictionary=True).get("collection", "nearkin-collection"))
    with connect(folder / FILE, wait=5).begin() as opened:
        migrate(opened)
