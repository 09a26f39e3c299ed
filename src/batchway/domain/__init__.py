"""Pure values of Batchway: no I/O, no clock, no randomness."""
