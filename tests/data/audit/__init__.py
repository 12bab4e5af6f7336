"""Tests of the label audit's ranking."""
