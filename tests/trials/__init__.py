"""Tests of `automl.trials`."""
