"""What bodies of Bedrock's InvokeModel have in common, whosever model takes them. Pure."""
