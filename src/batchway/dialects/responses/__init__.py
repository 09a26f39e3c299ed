"""OpenAI's Responses bodies for accounts that have no Responses API: over any dialect of chat."""
