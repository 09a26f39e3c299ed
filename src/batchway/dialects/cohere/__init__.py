"""Cohere's embeddings, as bodies of InvokeModel."""
