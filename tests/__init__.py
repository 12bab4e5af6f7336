"""Tests of automl; each name states a law."""
