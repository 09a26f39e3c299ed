"""Reading input: pieces of a file, the envelope of a line, the lines of a shard."""
