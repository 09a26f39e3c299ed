"""The reference pages, a module each: text made from the code."""
