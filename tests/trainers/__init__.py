"""Tests of `automl.trainers`."""
