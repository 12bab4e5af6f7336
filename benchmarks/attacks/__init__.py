"""Scripted attacks on what a study keeps, reads and serves: damage, hostile input, two writers."""
