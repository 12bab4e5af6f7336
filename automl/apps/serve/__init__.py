"""HTTP service for a registry version: an image in, boxes as JSON out, from its ONNX file, without torch."""
