"""How much memory something leaves behind."""

import gc
import tracemalloc
from collections.abc import Callable


def kept_bytes_of(work: Callable[[], None]) -> int:
    """Return by how many bytes of Python objects more are alive after `work` than before."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
