"""Amazon Nova's embeddings, as bodies of InvokeModel."""
