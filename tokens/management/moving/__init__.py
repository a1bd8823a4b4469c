"""Move all rows between SQLite and PostgreSQL."""
