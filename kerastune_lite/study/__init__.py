"""A study: its events, their journal, and the trials that are folded from them."""

from kerastune_lite.study.study import Study

__all__ = ["Study"]
