"""Providers: where lines are sent, and as whom. One package a vendor; `http` is shared."""
