"""What a person sees: TensorBoard, console, status table, list of studies, report."""
