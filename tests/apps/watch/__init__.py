"""Tests of detection on a source that goes on."""
