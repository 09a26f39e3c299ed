"""The first schema: files, batches and what they need.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SEQ: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
JSON: Final = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Create every table, parents before children."""
    _files()
    _batches()
    _shards()
    _segments()
    _uploads()
    _upload_parts()
    _keys()
    _once()


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("seq", SEQ, nullable=False, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("blob", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.UniqueConstraint("id", name="uq_files_id"),
        sa.PrimaryKeyConstraint("seq", name="pk_files"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_files_tenant_seq", "files", ["tenant", "seq"])
    op.create_index("ix_files_tenant_purpose_seq", "files", ["tenant", "purpose", "seq"])
    op.create_index("ix_files_expires_at", "files", ["expires_at"])
    op.create_index("ix_files_blob", "files", ["blob"])


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("seq", SEQ, nullable=False, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("input_file_id", sa.Text, nullable=False),
        sa.Column("input_blob", sa.Text),
        sa.Column("completion_window", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("output_file_id", sa.Text),
        sa.Column("error_file_id", sa.Text),
        sa.Column("in_progress_at", sa.BigInteger),
        sa.Column("finalizing_at", sa.BigInteger),
        sa.Column("completed_at", sa.BigInteger),
        sa.Column("failed_at", sa.BigInteger),
        sa.Column("expired_at", sa.BigInteger),
        sa.Column("cancelling_at", sa.BigInteger),
        sa.Column("cancelled_at", sa.BigInteger),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("completed", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("errors", JSON),
        sa.Column("metadata", JSON),
        sa.Column("output_expires_after", sa.BigInteger),
        sa.Column("options", JSON, nullable=False),
        sa.Column("status_details", sa.Text),
        sa.UniqueConstraint("id", name="uq_batches_id"),
        sa.PrimaryKeyConstraint("seq", name="pk_batches"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_batches_tenant_seq", "batches", ["tenant", "seq"])
    op.create_index("ix_batches_status_deadline", "batches", ["status", "deadline"])
    op.create_index("ix_batches_input_blob", "batches", ["input_blob"])


def _shards() -> None:
    op.create_table(
        "shards",
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("group_name", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("start_byte", sa.BigInteger, nullable=False),
        sa.Column("end_byte", sa.BigInteger, nullable=False),
        sa.Column("first_line", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("models", JSON),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "number", name="pk_shards"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_shards_batch_id"),
    )


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("seq", SEQ, nullable=False, autoincrement=True),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("blob", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("completed", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id", "shard"],
            ["shards.batch_id", "shards.number"],
            name="fk_segments_batch_id_shard",
        ),
        sa.UniqueConstraint("blob", name="uq_segments_blob"),
        sa.PrimaryKeyConstraint("seq", name="pk_segments"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_segments_batch_id_shard_seq", "segments", ["batch_id", "shard", "seq"])


def _uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("mime_type", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("file_expires_after", sa.BigInteger),
        sa.Column("file_id", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_status_expires_at", "uploads", ["status", "expires_at"])


def _upload_parts() -> None:
    op.create_table(
        "upload_parts",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("upload_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("blob", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_upload_parts"),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name="fk_upload_parts_upload_id"),
    )
    op.create_index("ix_upload_parts_upload_id", "upload_parts", ["upload_id"])


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("seq", SEQ, nullable=False, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("providers", JSON),
        sa.Column("revoked_at", sa.BigInteger),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
        sa.PrimaryKeyConstraint("seq", name="pk_keys"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_keys_name_active",
        "keys",
        ["name"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )


def _once() -> None:
    op.create_table(
        "once",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("object_id", sa.Text, nullable=False),
        sa.Column("snapshot", JSON),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "key", name="pk_once"),
    )
    op.create_index("ix_once_created_at", "once", ["created_at"])
