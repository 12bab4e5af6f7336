"""Tests of `benchmarks.attacks`."""
