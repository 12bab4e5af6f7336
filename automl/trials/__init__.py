"""The life of a trial: on the driver (manager, quota, retries) and on a worker (worker, checkpoints)."""
