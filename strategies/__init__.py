"""Who is asked when, and what counts as enough."""
