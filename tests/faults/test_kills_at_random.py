"""Searches of every kind that are killed at random moments, over and over, end as if they had been left alone.

`KILLS=300 python -m pytest -m drill tests/faults/test_kills_at_random.py` kills three hundred times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from killed_at_random import KINDS
from test_drills import assert_no_orphans

PROGRAM = Path(__file__).parent / "killed_at_random.py"
KILLS = int(os.environ.get("KILLS", "12"))
"""In all kinds of searches together."""
SEED = int(os.environ.get("KILLS_SEED", "1"))
LONGEST_KILL = 60.0
"""Seconds, on average."""


KILLS_OF_A_KIND = -(-KILLS // len(KINDS))
LONGEST = LONGEST_KILL * (KILLS_OF_A_KIND + 3)


@pytest.mark.drill
@pytest.mark.timeout(LONGEST + 60.0)
@pytest.mark.parametrize("kind", KINDS)
def test_searches_that_are_killed_at_random_moments_end_like_one_that_is_left_alone(tmp_path, kind):
    command = [sys.executable, PROGRAM, tmp_path, kind, str(KILLS_OF_A_KIND), str(SEED)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["kills"] == KILLS_OF_A_KIND
    assert_no_orphans(tmp_path)
