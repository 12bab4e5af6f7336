"""Label audit: suspect labels ranked from the detections of several trained models."""
