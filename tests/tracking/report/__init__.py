"""Tests of `automl.tracking`."""
