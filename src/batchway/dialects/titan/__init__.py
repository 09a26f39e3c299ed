"""Amazon Titan's embeddings, as bodies of InvokeModel."""
