"""Detection on a source that goes on: a folder that fills, a video, a camera; results for other systems."""
