"""Tests of `automl.trainers.yolo`."""
