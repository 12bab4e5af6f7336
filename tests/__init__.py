"""Tests of automl; each name states a law."""

import os

# Before NumPy and torch are imported: several processes of tests share the cores, and threads of OpenBLAS and OpenMP
# that wait for each other keep them busy.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
