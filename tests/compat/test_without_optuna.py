"""What is said where Optuna isn't installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kerastune_lite import Study


def test_an_exchange_without_optuna_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("kerastune_lite.compat.optuna")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(ImportError, match=r"needs optuna: pip install 'kerastune_lite\[optuna\]'"):
        Study(Path("a")).to_optuna()
