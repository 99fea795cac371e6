"""From measured values to tables, pictures and the report."""
