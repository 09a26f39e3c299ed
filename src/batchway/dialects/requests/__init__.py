"""What OpenAI's request bodies ask for, as typed values: read once, for every dialect.

A dialect whose bodies are not OpenAI's encodes from these. Nothing is interpreted here: fields are
OpenAI's, spelled OpenAI's way, with its types (`openai.types.*_create_params`, SDK 3.54, 2026-11).
"""
