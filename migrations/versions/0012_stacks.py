"""how pictures were taken and how sharp they are

Revision 0012 after 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("item", sa.Column("capture", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("fingerprint", sa.Column("clarity", sa.LargeBinary(128)))


def downgrade() -> None:
    op.drop_column("fingerprint", "clarity")
    op.drop_column("item", "capture")
