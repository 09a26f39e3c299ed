"""Mistral AI's models over Bedrock's InvokeModel: as a prompt, or as a chat. Pure."""
