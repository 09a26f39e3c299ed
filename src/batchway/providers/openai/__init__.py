"""OpenAI, and every provider that speaks its API: online and batches."""
