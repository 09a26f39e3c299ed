"""Google's Gemini wire: chat, and the embeddings of its old and new models, both ways. Pure."""
