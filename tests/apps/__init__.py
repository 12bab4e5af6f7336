"""Tests of `automl.apps`."""
