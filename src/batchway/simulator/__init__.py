"""Fakes that ship: an online upstream, and the batch APIs of the vendors."""
