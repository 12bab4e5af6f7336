"""Tests of `automl.hpo.warm_start`."""
