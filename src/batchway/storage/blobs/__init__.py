"""Blob stores: where bytes live, and the lock of a local data directory."""
