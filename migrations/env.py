"""The entry point of Alembic. `indexers.catalogue.upgrade` passes a connection; on the command line, use
`-x collection=DIR`.
"""

from pathlib import Path

from alembic import context

from indexers.catalogue import schema
from indexers.catalogue.full_text import include_object
from indexers.catalogue.sqlite import FILE, connect


def migrate(connection) -> None:  # type: ignore[no-untyped-def]
    """Run the migrations in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=schema.metadata,
        render_as_batch=connection.dialect.name == "sqlite",  # which can't change columns in place
        compare_type=True,
        include_object=include_object,
    )
    with context.begin_transaction():
        context.run_migrations()


passed = context.config.attributes.get("connection")
if passed is not None:
    migrate(passed)
else:
    folder = Path(context.get_x_argument(as_dictionary=True).get("collection", "nearkin-collection"))
    with connect(folder / FILE, wait=5).begin() as connection:
        migrate(connection)
