"""The data set: check, fingerprint, summary, staging, and the drawn sample."""
