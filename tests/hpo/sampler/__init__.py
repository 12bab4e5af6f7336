"""Tests of `automl.hpo.sampler`."""
