"""Tests of `automl.tracking.mlflow`."""
