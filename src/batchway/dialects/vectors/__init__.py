"""What dialects of embeddings share: a line's texts, and what its vectors have to be. Pure."""
