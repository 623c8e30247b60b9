"""Templates are found in a function's syntax tree, and named as Hyperas names them."""

from __future__ import annotations

import importlib.util
import textwrap

import pytest

from kerastune_lite.compat.hyperas.distributions import choice, uniform
from kerastune_lite.compat.hyperas.function_source import FunctionSource
from kerastune_lite.compat.hyperas.templates import Option, templates_of
from kerastune_lite.errors import BuildError


@pytest.fixture
def function_of(tmp_path):
    """Gives the function of a body, out of a file of its own."""

    def made(body, indented=False):
        path = tmp_path / "program.py"
        text = "def model():\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"
        path.write_text("if True:\n" + textwrap.indent(text, "    ") if indented else text)
        spec = importlib.util.spec_from_file_location("program", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.model

    return made


def names_in(function):
    return [template.name for template in templates_of(FunctionSource.of(function))[0]]


README = """
    model.add(Dropout({{uniform(0, 1)}}))
    model.add(Dense({{choice([256, 512, 1024])}}))
    model.add(Activation({{choice(['relu', 'sigmoid'])}}))
    model.add(Dropout({{uniform(0, 1)}}))
    if {{choice(['three', 'four'])}} == 'four':
        model.add(Dense(100))
        model.add({{choice([Dropout(0.5), Activation('linear')])}})
    model.compile(optimizer={{choice(['rmsprop', 'adam', 'sgd'])}})
    model.fit(x, y, batch_size={{choice([64, 128])}}, epochs=1)
"""

# What Hyperas's own function gives for these texts, by shared experiments with it.
AS_HYPERAS = {
    "the front page's example": (
        README,
        ["Dropout", "Dense", "Activation", "Dropout_1", "Dropout_2", "add", "optimizer", "batch_size"],
    ),
    "the simple example": (
        """
        Dropout({{uniform(0, 1)}})
        Dense({{choice([256, 512, 1024])}})
        Dropout({{uniform(0, 1)}})
        fit(x, y, batch_size={{choice([64, 128])}})
        """,
        ["Dropout", "Dense", "Dropout_1", "batch_size"],
    ),
    "equal texts get the first one's word": (
        """
        dropout1 = {{uniform(0, 1)}}
        dropout2 = {{uniform(0, 1)}}
        dense_filter1 = {{choice([64, 128])}}
        dense_filter2 = {{choice([64, 128])}}
        dense_filter3 = {{choice([64, 128])}}
        """,
        ["dropout1", "dropout1_1", "dense_filter1", "dense_filter1_1", "dense_filter1_2"],
    ),
    "without a word the name before": (
        """
        g(a={{choice([1])}})
        if {{choice([2])}} == 2:
            g(3, {{choice([4])}})
        """,
        ["a", "a_1", "a_2"],
    ),
    "a word before a space": (
        "layer_1_size = {{quniform(12, 256, 4)}}\nl1_dropout = {{uniform(0.001, 0.999)}}",
        ["layer_1_size", "l1_dropout"],
    ),
}


@pytest.mark.parametrize(("body", "names"), AS_HYPERAS.values(), ids=AS_HYPERAS)
@pytest.mark.parametrize("indented", [False, True])
def test_names_are_those_that_hyperas_gives(body, names, indented, function_of):
    assert names_in(function_of(body, indented)) == names


OTHERS = {
    "a comparison is no assignment": ("a({{choice([1])}})\nx == {{choice([2])}}", ["a", "a_1"]),
    "a comment holds no template": ("# a={{choice([1])}}\nb={{choice([2])}}", ["b"]),
    "a comment between is passed over": ("Dense(  # the width\n    {{choice([1])}},\n)", ["Dense"]),
    "a text holds no template": ("t = 'a={{choice([1])}}'\nb={{choice([2])}}", ["b"]),
    "a first one without a word": ("Dense(10, {{uniform(0, 1)}})", ["uniform"]),
    "letters of any alphabet": ("größe = 'é', b({{choice([2])}})", ["b"]),
    "a set of sets of one's own": ("s = {frozenset({1})}\nb = {{choice([2])}}", ["b"]),
    "options with braces": ("b = {{choice([{'a': 1}, {'a': 2}])}}", ["b"]),
    "several lines": ("b = {{choice([\n    1,\n    2,\n])}}\nc({{uniform(\n    0, 1)}})", ["b", "c"]),
}


@pytest.mark.parametrize(("body", "names"), OTHERS.values(), ids=OTHERS)
def test_a_template_is_a_call_of_a_distribution_in_double_braces(body, names, function_of):
    assert names_in(function_of(body)) == names


def test_a_function_inside_another_keeps_its_variables_and_lines():
    width = 3

    def model(x):
        return width * {{choice([x])}} + undefined  # noqa: F821

    source = FunctionSource.of(model)
    _, tree = templates_of(source)
    answers = {"_ask": lambda place, options: options[0].make(), "_option": Option}
    changed = source.compiled(tree, answers)(answers)

    with pytest.raises(NameError, match="undefined") as caught:
        changed(2)
    last = caught.traceback[-1]
    assert (last.path.name, last.lineno + 1) == ("test_hyperas_names.py", model.__code__.co_firstlineno + 1)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (len, "is no function, and its source is needed"),
        (lambda: {{choice([1])}}, "has to be written with def"),
        (eval("lambda: 1"), "source of <lambda> can't be read"),
    ],
)
def test_a_function_without_source_is_refused(function, told):
    with pytest.raises(BuildError, match=told):
        FunctionSource.of(function)


def test_a_distribution_that_is_called_outside_of_a_template_says_where_it_belongs():
    with pytest.raises(BuildError, match=r"double braces in the source of the model function: \{\{uniform\(…\)\}\}"):
        uniform(0, 1)
