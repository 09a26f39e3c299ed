"""Bedrock's Converse, and Amazon Nova's InvokeModel body, which is nearly the same. Pure."""
