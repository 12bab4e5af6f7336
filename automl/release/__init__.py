"""Release: export, parity check, TensorRT engine, gates, publication."""
