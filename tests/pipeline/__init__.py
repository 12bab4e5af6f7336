"""Tests of `automl.pipeline`."""
