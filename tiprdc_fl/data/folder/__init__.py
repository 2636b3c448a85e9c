"""The user's own images or texts with a table of labels."""
