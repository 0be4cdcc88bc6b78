"""The tests."""

import os

# They run side by side, one process a core: further threads of one would wait for those of the others.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
