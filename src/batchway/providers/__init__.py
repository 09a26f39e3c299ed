"""Providers: where lines are sent, and as whom. `simulated` is a model server that ships along."""
