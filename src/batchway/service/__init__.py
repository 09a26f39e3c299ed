"""Use cases: what the API, the dashboard and the command line ask for. No HTTP, no SQL."""
