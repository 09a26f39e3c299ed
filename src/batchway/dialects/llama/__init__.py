"""Meta's Llama over Bedrock's InvokeModel: a prompt, and a few parameters. Pure."""
