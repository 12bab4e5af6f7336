"""Tests of `automl.study`."""
