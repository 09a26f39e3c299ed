"""Languages that more than one fake cloud speaks: what a request says, and Anthropic's Messages."""
