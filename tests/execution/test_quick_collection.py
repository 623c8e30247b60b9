"""Garbage collections during searches: what is set aside, and that it is given back."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from kerastune_lite.execution.quick_collection import quick_collection, set_aside

class Cycle:
    def __init__(self):
        self.own = self

def living():
    return sum(type(each) is Cycle for each in gc.get_objects())

gc.disable()
counts = [gc.get_freeze_count()]
with quick_collection():
    counts.append(gc.get_freeze_count())
    with quick_collection():
        Cycle()
        set_aside()
    counts.append(gc.get_freeze_count())
counts.append(gc.get_freeze_count())
print(counts[0] == 0, counts[1] > 1000, counts[2] >= counts[1], counts[3] == 0, living() == 0)
"""


def test_the_outermost_block_gives_everything_back_and_garbage_inside_is_freed():
    # In a process of its own: the tests' own process is inside such a block.
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True"] * 5
