"""Tests of detection on files."""
