"""Accounts on AWS Bedrock."""
