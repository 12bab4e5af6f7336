"""MLflow exporter: sends trials and re-trainings as runs to a tracking server, by its REST API.

Needs no package of MLflow. See docs/decisions/0036 for why.
"""
