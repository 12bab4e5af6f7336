"""Summaries: the table of a trial's settings."""

from automl.tracking import summaries


def test_the_table_says_what_was_searched_fixed_and_changed_from_the_default() -> None:
    searched, fixed = {"lr0": 0.01, "momentum": 1}, {"batch": 8, "lr0": 0.3, "cache": "ram"}
    defaults = {"lr0": 0.02, "momentum": 1.0, "batch": 8, "seed": 0}
    assert summaries.params_table(searched, fixed, defaults, seed=3).split("\n") == [
        "| param | value | set by | default |",
        "| --- | --- | --- | --- |",
        "| lr0 | 0.01 | searched | changed from 0.02 |",
        "| momentum | 1 | searched | = |",
        "| seed | 3 | by trial |  |",
        "| batch | 8 | fixed | = |",
        "| cache | ram | fixed |  |",
    ]
