"""How much of what is known to be there do the probes find? Features with a known Bayes accuracy."""
