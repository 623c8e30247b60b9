"""What the documents link to and name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kerastune_lite
from kerastune_lite import _version, callbacks, stopping, testing

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kerastune_lite"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]
FOLDERS = "docs|examples|benchmarks|kerastune_lite|callbacks|tests"

documents = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def links_of(path):
    return re.findall(r"\]\(([^)\s]+)\)", path.read_text())


def anchors_of(path):
    headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_or_the_reference_leads_to_every_page():
    index = ROOT / "docs" / "api" / "index.md"
    linked = {ROOT / link.partition("#")[0] for link in links_of(ROOT / "README.md")}
    linked |= {index.parent / link for link in links_of(index)}

    assert [page for page in PAGES if page not in linked and page.name != "index.md"] == []


def test_the_site_has_every_page():
    for index in (ROOT / "docs" / "index.md", ROOT / "docs" / "api" / "index.md"):
        pages = {page.stem for page in index.parent.glob("*.md")} - {"index"}
        toctrees = "\n".join(re.findall(r"^```{toctree}\n(.*?)^```$", index.read_text(), re.DOTALL | re.MULTILINE))
        assert pages - set(toctrees.split()) == set()


def test_the_reference_has_every_public_name():
    text = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    listed = set(re.findall(r"\.\. auto\w+:: (?:[\w.]+\.)?(\w+)$", text, flags=re.MULTILINE))
    names = {*kerastune_lite.__all__, *callbacks.__all__, *stopping.__all__, *testing.__all__}

    assert names - listed == {"__version__"}


@documents
def test_every_link_leads_somewhere(path):
    for link in links_of(path):
        if not link.startswith("https://"):
            file, _, anchor = link.partition("#")
            target = (path.parent / file) if file else path
            assert target.is_file(), link
            assert not anchor or anchor in anchors_of(target), link


@documents
def test_every_file_that_is_named_exists(path):
    named = re.findall(rf"`((?:{FOLDERS})/[\w./]*|[\w./]+/\w+\.py)`", path.read_text())

    assert [name for name in named if not any((folder / name).exists() for folder in (ROOT, PACKAGE))] == []


def test_every_example_is_named_in_the_readme():
    text = (ROOT / "README.md").read_text()

    assert [path.name for path in (ROOT / "examples").glob("*.py") if f"`{path.name}`" not in text] == []


def test_the_changelog_has_the_version():
    assert f"\n## {_version.__version__} - " in (ROOT / "CHANGELOG.md").read_text()


def test_the_package_knows_its_version():
    assert kerastune_lite.__version__ == _version.__version__
