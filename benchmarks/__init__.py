"""Measures what the program is worth: figures, not laws; those are in tests/."""
