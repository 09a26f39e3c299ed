"""Batchway: one OpenAI-compatible Files + Batches API for every model provider."""

__version__ = "0.1.0"
