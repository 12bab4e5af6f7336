"""Report on a data set before a GPU is used: facts, suspicious labels, duplicates, and a grade with reasons."""
