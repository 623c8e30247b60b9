"""How Sphinx builds the documentation; CONTRIBUTING.md has the command."""

from kerastune_lite import __version__

project = "kerastune_lite"
author = "the kerastune_lite developers"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

# Links to headings work as they do where the pages are read as files.
myst_heading_anchors = 3

# Docstrings write code in single backticks.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"kerastune_lite {__version__}"
html_show_copyright = False
html_show_sphinx = False
