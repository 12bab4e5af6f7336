"""Attacks on files, data sets and the server: each script counts what was tried and what held."""
