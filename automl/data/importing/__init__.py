"""Import of annotated images from other formats: one reader a format, splits without leakage, a YOLO data set out."""
