"""JSON schemas that a model is bound to, in the subset that grammars are made of. Pure."""
