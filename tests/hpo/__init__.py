"""Tests of `automl.hpo`."""
