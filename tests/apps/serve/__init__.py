"""Tests of `automl.apps.serve`."""
