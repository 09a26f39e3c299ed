"""Results on their way out: records, committed segments, and the merge into files."""
