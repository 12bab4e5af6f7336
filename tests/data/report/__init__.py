"""Tests of `automl.data.report`."""
