"""Numbers of the report, computed from tables; nothing here draws."""
