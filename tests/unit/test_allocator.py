"""What is freed is given back: each in a process of its own, since the C library is set once and for all."""

import ctypes
import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc 2.33 and newer tell of it")

PREPARED = """
import ctypes, sys, threading
from libs.common.allocator import return_freed_memory

return_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
"""

MAPPED = """
class Info(ctypes.Structure):
    _fields_ = [(f"_{n}", ctypes.c_size_t) for n in range(10)]

libc.mallinfo2.restype = Info
mapped = lambda: libc.mallinfo2()._4

libc.free(libc.malloc(16 * 2**20))
before = mapped()
libc.malloc(2**20)
print(mapped() - before >= 2**20)
"""

ARENAS = """
together = threading.Barrier(16)

def allocate():
    together.wait()
    libc.malloc(1000)
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
opened = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, opened)
libc.fclose(opened)
"""


def printed(script: str, **environment: str) -> str:
    """What a process prints that has called `return_freed_memory` and then does what the script says."""
    script = textwrap.dedent(PREPARED + script)
    told = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | environment
    return subprocess.run([sys.executable, "-c", script], env=told, capture_output=True, text=True, check=True).stdout


def test_a_large_block_is_mapped_by_itself_though_a_larger_one_was_freed() -> None:
    assert printed(MAPPED) == "True\n"


def test_threads_share_two_arenas() -> None:
    assert printed(ARENAS).count("<heap nr=") <= 2


def test_what_the_environment_says_holds() -> None:
    assert printed(MAPPED, MALLOC_MMAP_THRESHOLD_=str(32 * 2**20)) == "False\n"
    assert printed(ARENAS, MALLOC_ARENA_MAX="7").count("<heap nr=") == 7
