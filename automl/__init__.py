"""automl: distributed hyperparameter search for Ultralytics YOLO, from a data set to a champion."""
