"""Tests of `automl.cluster`."""
