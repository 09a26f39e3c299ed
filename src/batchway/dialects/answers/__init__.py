"""OpenAI's response bodies, written from what a dialect has read: answers, vectors, errors."""
