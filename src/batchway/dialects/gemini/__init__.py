"""Gemini's `generateContent`, for OpenAI's chat lines.

One dialect for online calls and for Vertex AI's batch jobs. The wire is that of Vertex AI's `v1`
(google-genai 3.6 types, November 2026).
"""
