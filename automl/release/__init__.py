"""From weights to what ships: export, parity check, TensorRT engine, gates, publication."""
