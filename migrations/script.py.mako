"""${message}

Revision ${up_revision} after ${down_revision | comma,n}, ${create_date}
"""

import sqlalchemy as sa
from alembic import op

from indexers.catalogue.column_types import Integer, Number, Text  # in place of SQLAlchemy's own, for every database
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
