"""Managed execution: limits, fairness, retries and the way of results into segments."""
