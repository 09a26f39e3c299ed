"""Anthropic's Messages API, for Claude wherever it runs. Pure."""
