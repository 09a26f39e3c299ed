"""Azure OpenAI: OpenAI's wire at other addresses, with credentials of its own."""
