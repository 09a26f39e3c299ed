"""Wire formats: pure functions between OpenAI's format and a provider's."""
