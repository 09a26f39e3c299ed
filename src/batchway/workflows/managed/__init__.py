"""Managed execution: lines as online requests that Batchway sends itself."""
