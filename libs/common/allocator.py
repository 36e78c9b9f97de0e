"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes
import os

# By the names of glibc's environment variables: its parameters (mallopt(3)), and what they are set to. Arenas: by
# default there are eight for each processor, and what is free in one serves no thread of another. Bytes from which on a
# block is mapped by itself and unmapped when it is freed: by default glibc raises them to the largest one that was
# freed, and such blocks then lie between small ones, which keep their pages.
_PARAMETERS = {"MALLOC_ARENA_MAX": (-8, 2), "MALLOC_MMAP_THRESHOLD_": (-3, 128 * 2**10)}


def return_freed_memory() -> None:
    """Has glibc give back what a process frees, which otherwise grows for as long as its largest requests do.

    To be called before there are threads. What the environment says holds. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, (parameter, value) in _PARAMETERS.items():
            if name not in os.environ:
                mallopt(parameter, value)
