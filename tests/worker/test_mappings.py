"""Fewer mappings of the same libraries: which are widened, and that the kernel makes one of them then."""

import subprocess
import sys

import pytest
from fumehood.worker import mappings

USUAL = """\
5000-6000 r--p 00000000 08:01 4711                       /lib/x.so
6000-8000 r-xp 00001000 08:01 4711                       /lib/x.so
8000-9000 r--p 00003000 08:01 4711                       /lib/x.so
9000-a000 r--p 00003000 08:01 4711                       /lib/x.so
a000-b000 rw-p 00004000 08:01 4711                       /lib/x.so
b000-c000 rw-p 00000000 00:00 0                          [heap]
"""
MERGES = """
import decimal, sqlite3
from pathlib import Path
from fumehood.worker import mappings

def look():
    found = [each for each in mappings.parse(Path("/proc/self/maps").read_text()) if ".so" in each.file]
    return len(found), len(mappings.widened(found))

before = look()
mappings.merge()
assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
assert str(decimal.Decimal(2).sqrt())[:6] == "1.4142"
print(*before, *look())
"""


def test_five_of_a_library_become_two():
    found = mappings.widened(mappings.parse(USUAL))
    assert [(hex(each.start), rights) for each, rights in found] == [("0x5000", 5), ("0x8000", 5), ("0x9000", 3)]


@pytest.mark.parametrize(
    "text",
    [
        "5000-6000 r--p 00000000 00:00 0 \n6000-7000 rw-p 00001000 00:00 0 \n",  # of no file
        "5000-6000 r--p 00000000 08:01 1 /a\n6000-7000 r-xp 00001000 08:01 2 /b\n",  # of two files
        "5000-6000 r--p 00000000 08:01 1 /a\n7000-8000 r-xp 00001000 08:01 1 /a\n",  # with a hole between them
        "5000-6000 r--p 00000000 08:01 1 /a\n6000-7000 r-xp 00002000 08:01 1 /a\n",  # not one after the other in it
        "5000-6000 r--s 00000000 08:01 1 /a\n6000-7000 rw-p 00001000 08:01 1 /a\n",  # shared: others see it
        "5000-6000 r--p 00000000 08:01 1 /a\n",  # alone: a locale's archive, a mapped file
        "",
    ],
)
def test_what_is_no_neighbour_in_memory_and_file_is_left(text):
    assert mappings.widened(mappings.parse(text)) == []


def test_the_kernel_makes_one_of_them():
    """In a process of its own: here it would stay so."""
    done = subprocess.run([sys.executable, "-c", MERGES], capture_output=True, text=True, check=True, timeout=60)
    before, wide, after, left = map(int, done.stdout.split())
    assert left == 0
    assert after < before if wide else after == before
