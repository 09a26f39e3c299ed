"""From `validating` to a plan: every line checked once, its destination decided, shards cut."""
