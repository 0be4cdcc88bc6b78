"""Run by Alembic. `indexers.catalogue.upgrade` gives the connection; on a command line, `-x collection=DIR` does."""

from pathlib import Path

from alembic import context

from indexers.catalogue import schema
from indexers.catalogue.full_text import include_object
from indexers.catalogue.sqlite import FILE, connect


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
