"""Which contributor has which examples."""
