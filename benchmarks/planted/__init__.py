"""Faults that `parity_faults.py` plants."""
