"""DeepSeek-R1 over Bedrock's InvokeModel: a prompt, and a text with its thoughts. Pure."""
