"""OpenAI's wire format: bodies, answers, errors, and the lines of its batch files."""
