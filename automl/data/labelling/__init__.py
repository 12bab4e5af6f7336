"""Label store of a data set: boxes that people draw, versions against lost updates, history, suspects, proposals."""
