"""What hp and its methods' arguments are called elsewhere."""

from __future__ import annotations

from kerastune_lite.other_tuners.words import GUIDES, Words, of

HP_NAMES = {
    "bool": "boolean",
    "categorical": "choice",
    "conditional_scope": "when",
    "constant": "fixed",
    "get": "values",
    "get_dictionary": "values",
    "grid_search": "choice",
    "integer": "int",
    "items": "values",
    "keys": "values",
    "lograndint": "int",
    "name_scope": "scope",
    "params": "values",
    "pchoice": "choice",
    "qlograndint": "int",
    "qlognormal": "lognormal",
    "qloguniform": "loguniform",
    "qnormal": "normal",
    "qrandint": "int",
    "qrandn": "normal",
    "randn": "normal",
    "real": "float",
    "suggest_categorical": "choice",
    "suggest_discrete_uniform": "quniform",
    "suggest_float": "float",
    "suggest_int": "int",
    "suggest_loguniform": "loguniform",
    "suggest_uniform": "uniform",
    "uniformint": "int",
}
"""What other libraries call a method of hp, in lower case, and what it is called here."""

HP_ARGUMENTS = {
    "choices": "values",
    "max": "high",
    "max_value": "high",
    "min": "low",
    "min_value": "low",
    "options": "values",
    "parent_name": "hp.when",
    "parent_values": "hp.when",
    "p": "weights",
    "prior": "log=True",
    "probabilities": "weights",
    "q": "step",
    "sampling": "log=True",
    "upper": "high",
    "lower": "low",
}
"""The same for arguments."""

HP_CALLS = {
    "boolean": "hp.boolean('batch_norm')",
    "choice": "hp.choice('activation', ['relu', 'gelu'])",
    "fixed": "hp.fixed('classes', 10)",
    "float": "hp.float('learning_rate', 1e-4, 1e-1, log=True)",
    "int": "hp.int('units', 32, 512, step=32)",
    "lognormal": "hp.lognormal('scale', 0.0, 1.0)",
    "loguniform": "hp.loguniform('learning_rate', 1e-4, 1e-1)",
    "normal": "hp.normal('shift', 0.0, 1.0)",
    "quniform": "hp.quniform('units', 32, 512, 32)",
    "scope": "with hp.scope('block1'): …",
    "uniform": "hp.uniform('dropout', 0.0, 0.5)",
    "values": "hp['units'], or hp.values, a dict",
    "when": "with hp.when('optimizer', 'sgd'): …",
}
"""How the methods of hp are written, by their names."""


OF_TRIAL = of(
    "Optuna",
    report="Leave it out: every epoch of model.fit is reported; stopping='median' looks at them.",
    set_user_attr="Let build_fn return what is to be recorded: {'loss': loss, 'note': 'a text'}.",
    should_prune="Leave it out: give the tuner stopping='median', 'asha' or 'plateau'.",
)
"""What Optuna's trial has, which takes the place of hp and of the record."""

HP_WORDS: Words = {
    **OF_TRIAL,
    **of("Optuna", number="Write tuner.search(x, y, callbacks=lambda trial: […]): it is given trial.number."),
    **of("Ray Tune", sample_from="Compute it in build_fn, by plain Python from the values that hp has answered."),
}
"""What other libraries' objects have in the place of hp, and no method of hp does."""

_HP_GUIDES = {
    "KerasTuner": ("Boolean", "Choice", "Fixed", "Float", "Int", "conditional_scope", "get", "name_scope"),
    "Hyperas": ("pchoice", "qlognormal", "qloguniform", "qnormal", "uniformint"),
}


def guide_of_hp(name: str) -> str:
    """The page for people of the library that calls a method of hp so; empty where no library is known to."""
    library = "Optuna" if name.startswith("suggest_") else ""
    library = library or next((library for library, names in _HP_GUIDES.items() if name in names), "")
    return GUIDES.get(library, "")
