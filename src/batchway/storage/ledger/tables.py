"""The ledger's tables, the same in SQLite and PostgreSQL.

    files      batches --< shards --< segments      uploads --< upload_parts      keys      once
               batches --< groups                               stores      target_limits
               batches --< remote_jobs --< remote_results
               batches --< batch_metadata

Owns columns and indexes; `migrations` is held equal to it by a test. `seq` is the order of
creation: times are whole seconds and many rows share one. Times are Unix seconds.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

# Constraints need names of their own, or a later migration could not drop them.
metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the type is spelled INTEGER.
Seq: Final = BigInteger().with_variant(Integer, "sqlite")
Json: Final = JSON(none_as_null=True)

files: Final = Table(
    "files",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("filename", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("blob", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    UniqueConstraint("id"),
    Index("ix_files_tenant_created_at_seq", "tenant", "created_at", "seq"),
    Index("ix_files_tenant_purpose_created_at_seq", "tenant", "purpose", "created_at", "seq"),
    Index("ix_files_expires_at", "expires_at"),
    Index("ix_files_blob", "blob"),
    # Without it SQLite would give a new file the number of a removed one.
    sqlite_autoincrement=True,
)

batches: Final = Table(
    "batches",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("input_file_id", Text, nullable=False),
    Column("input_blob", Text),
    Column("completion_window", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("model", Text),
    Column("output_file_id", Text),
    Column("error_file_id", Text),
    Column("in_progress_at", BigInteger),
    Column("finalizing_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("failed_at", BigInteger),
    Column("expired_at", BigInteger),
    Column("cancelling_at", BigInteger),
    Column("cancelled_at", BigInteger),
    Column("total", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("errors", Json),
    # As it is shown; what lists look for are the pairs in `batch_metadata`.
    Column("metadata", Json),
    Column("output_expires_after", BigInteger),
    Column("options", Json, nullable=False),
    Column("status_details", Text),
    # Lines that remote jobs report as done and that are not committed yet; see `jobs`.
    Column("remote_completed", BigInteger, nullable=False, server_default=text("0")),
    Column("remote_failed", BigInteger, nullable=False, server_default=text("0")),
    # A list of names; unset before the plan, and for batches of the first schema.
    Column("providers", Json),
    # The last reason that `status_details` gave, without promises, kept while the batch goes on.
    Column("waited_for", Text),
    Column("waited_kind", Text),
    # How many lines a parameter was left out of, by its name; unset where none was.
    Column("warnings", Json),
    # Lines that run online though jobs were preferred, by reason: [{"lines": 3, "reason": "..."}].
    Column("run_online", Json),
    UniqueConstraint("id"),
    Index("ix_batches_tenant_seq", "tenant", "seq"),
    Index("ix_batches_tenant_status_seq", "tenant", "status", "seq"),
    Index("ix_batches_status_deadline", "status", "deadline"),
    Index("ix_batches_input_blob", "input_blob"),
    sqlite_autoincrement=True,
)

# The pairs of a batch's metadata, in the order in which a list by one of them reads them: newest
# first, by a tenant's pair. Texts are as `text.stored` writes them.
batch_metadata: Final = Table(
    "batch_metadata",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("batch_seq", BigInteger, ForeignKey("batches.seq"), nullable=False),
    PrimaryKeyConstraint("tenant", "key", "value", "batch_seq"),
    sqlite_with_rowid=False,  # the key is all there is
)

shards: Final = Table(
    "shards",
    metadata,
    Column("batch_id", Text, ForeignKey("batches.id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("start_byte", BigInteger, nullable=False),
    Column("end_byte", BigInteger, nullable=False),
    Column("first_line", BigInteger, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("models", Json),
    # The group of a plan that is this one shard, in place of a row of `groups`.
    Column("only_group", Json),
    # Which lines of the range are the shard's, as `domain.line_set` packs them; unset: `models`.
    Column("members", LargeBinary),
    Column("fence", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    PrimaryKeyConstraint("batch_id", "number"),
)

# Where lines go: a batch's destinations, and what was known of them when it began.
groups: Final = Table(
    "groups",
    metadata,
    Column("batch_id", Text, ForeignKey("batches.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    # Lists of [provider, model or null, weight].
    Column("primaries", Json, nullable=False),
    Column("fallbacks", Json, nullable=False),
    Column("traits", Json),
    Column("rescue", Boolean, nullable=False),
    PrimaryKeyConstraint("batch_id", "name"),
)

segments: Final = Table(
    "segments",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("batch_id", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("blob", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    ForeignKeyConstraint(["batch_id", "shard"], ["shards.batch_id", "shards.number"]),
    # A segment is committed once, however often an unanswered commit is repeated.
    UniqueConstraint("blob"),
    Index("ix_segments_batch_id_shard_seq", "batch_id", "shard", "seq"),
    sqlite_autoincrement=True,
)

remote_jobs: Final = Table(
    "remote_jobs",
    metadata,
    # The batch and not the shard: a job's ids are asked for after the plan is forgotten.
    Column("batch_id", Text, ForeignKey("batches.id"), nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("tag", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("remote_id", Text),
    Column("reference", Text),
    Column("submitted_at", BigInteger),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("first_line", BigInteger, nullable=False, server_default=text("0")),
    Column("before_line", BigInteger),
    Column("tokens", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("batch_id", "shard"),
    Index("ix_remote_jobs_stage_batch_id_shard", "stage", "batch_id", "shard"),
    Index("ix_remote_jobs_provider_remote_id", "provider", "remote_id"),
    Index("ix_remote_jobs_provider_reference", "provider", "reference"),
)

# What the job of a row in `remote_jobs` has made at its provider, in the order of its reading.
remote_results: Final = Table(
    "remote_results",
    metadata,
    Column("batch_id", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("provider", Text, nullable=False),
    Column("reference", Text, nullable=False),
    PrimaryKeyConstraint("batch_id", "shard", "position"),
    ForeignKeyConstraint(["batch_id", "shard"], ["remote_jobs.batch_id", "remote_jobs.shard"]),
    Index("ix_remote_results_provider_reference", "provider", "reference"),
)

uploads: Final = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("filename", Text, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("file_expires_after", BigInteger),
    Column("file_id", Text),
    Index("ix_uploads_status_expires_at", "status", "expires_at"),
)

upload_parts: Final = Table(
    "upload_parts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("upload_id", Text, ForeignKey("uploads.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("blob", Text, nullable=False),
    Index("ix_upload_parts_upload_id", "upload_id"),
)

keys: Final = Table(
    "keys",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("providers", Json),
    Column("revoked_at", BigInteger),
    # Unset: as the configuration's tenants have it; see `service.ownership`.
    Column("passthrough", Boolean),
    UniqueConstraint("digest"),
    # A name may be used again once its key is revoked.
    Index(
        "uq_keys_name_active",
        "name",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

idempotency_keys: Final = Table(
    "once",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    # A file as it was made, so that a repeated request is answered after the file's removal too.
    Column("snapshot", Json),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "kind", "key"),
    Index("ix_once_created_at", "created_at"),
)

# One row at most: the blob store that this database belongs to, see `storage.blobs.identity`.
stores: Final = Table(
    "stores",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
)

target_limits: Final = Table(
    "target_limits",
    metadata,
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    # Not `limit`: SQL's own word.
    Column("limit_found", BigInteger, nullable=False),
    Column("found_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("provider", "model"),
)
