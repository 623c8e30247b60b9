"""The Python code of the documents, to be run as a reader runs it: all blocks of a page, one after the other."""

from __future__ import annotations

import ast
import os
import re
import types
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def code_of(page: Path) -> str:
    """The page's Python blocks, each on the lines that it has in the page, so that a traceback names those."""
    text = page.read_text()
    code, lines = "", 0
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        code += "\n" * (first - lines) + block[1]
        lines = first + block[1].count("\n")
    return code


def first_search() -> types.CodeType:
    """What all pages refer to: the imports, the data and the build_fn of the README's search, without its tuner."""
    statements = ast.parse(code_of(README)).body
    tuner = next(at for at, each in enumerate(statements) if isinstance(each, ast.Assign) and "tuner" in ast.dump(each))
    return compile(ast.Module(statements[:tuner], type_ignores=[]), str(README), "exec", dont_inherit=True)


def run(page: Path, folder: Path) -> types.ModuleType:
    """Runs the code of a page in a folder, as one module that holds the data and the build_fn of the README."""
    module = types.ModuleType(f"page_{page.stem}")
    before = Path.cwd()
    os.chdir(folder)
    try:
        if page != README:
            exec(first_search(), module.__dict__)
        exec(compile(code_of(page), str(page), "exec", dont_inherit=True), module.__dict__)
    finally:
        os.chdir(before)
    return module
