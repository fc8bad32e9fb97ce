"""Numbers that say how good an edit is."""
