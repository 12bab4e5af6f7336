"""Tests of `automl.data`."""
