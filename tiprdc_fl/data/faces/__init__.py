"""Generated faces: a person is a pure function of (seed, id)."""
