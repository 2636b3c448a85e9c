"""The configuration: keys, how it is read, and help."""
