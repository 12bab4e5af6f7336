"""Tests of `automl.storage`."""
