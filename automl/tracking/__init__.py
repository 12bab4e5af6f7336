"""User-facing output: TensorBoard, console, status table, list of studies, report."""
