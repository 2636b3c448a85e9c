"""How often the intervals of figures hold the truth."""
