"""The durable story of a batch: ingest, run shards, finalize."""
