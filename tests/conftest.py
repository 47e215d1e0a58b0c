"""What all tests share."""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

# Tests are about the compiler: a model that was compiled by the run before would tell nothing of it. The code of single
# kernels is kept, in the user's cache, since LLVM is most of the time that the tests take. Tests of the cache itself
# set a folder of their own.
os.environ.setdefault("LAMINA_CACHE", "objects")

# Modules of xDSL are large and live as long as a test: looking for garbage as often as Python does takes a tenth of the
# time, and finds little.
gc.set_threshold(100_000, 10, 10)

# How long examples take to make is no fault of the code.
settings.register_profile("lamina", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lamina")
