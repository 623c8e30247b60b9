"""`python -m kerastune_lite`: the command line."""

import sys

from kerastune_lite.cli import main

sys.exit(main())
