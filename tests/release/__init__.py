"""Tests of `automl.release`."""
