"""Every mistake in a description gives one line with file, key, law and values; all of them at once."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl.study import load
from automl.study.errors import SpecError
from automl.study.messages import PARAMETER
from tests.builders import SPEC, FakeRules, written

LOADED = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LR0 = "{low: 0.001, high: 0.1, default: 0.01}"
OF_SGD = "{low: 0.001, high: 0.1, default: 0.01, when: {optimizer: [SGD]}}"
HUGE = "9" * 400


def told(path: Path) -> tuple[str, ...]:
    """Return the mistakes found in a file, without its name; it must stand in front of each."""
    with pytest.raises(SpecError, match=r".") as caught:
        load.load(path, rules=FakeRules())
    mistakes = caught.value.mistakes
    assert all(mistake.startswith(f"{path}: ") for mistake in mistakes)
    assert not any("\n" in mistake for mistake in mistakes)
    return tuple(mistake.removeprefix(f"{path}: ") for mistake in mistakes)


def changed(folder: Path, **changes: str) -> Path:
    """Write the small description with some keys replaced by raw YAML text, None to leave one out."""
    parts = {key: yaml.safe_dump(value, default_flow_style=True).split("\n...")[0] for key, value in SPEC.items()}
    lines = [f"{key}: {' '.join(text.split())}" for key, text in (parts | changes).items()]
    return written(folder, "spec.yaml", "\n".join(lines))


RANGE = f"{PARAMETER}; a fixed value is train.lr0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "law"),
    [
        (b"", "must contain `key: value` lines, but contains nothing"),
        (b"# only a comment\n", "must contain `key: value` lines, but contains nothing"),
        (b"[1, 2]", "must contain `key: value` lines, but contains a list"),
        (b"just text", "must contain `key: value` lines, but contains a str"),
        (bytes(range(256)), "must be UTF-8 text, but byte 0x80 in line 2 is not"),
        ("name: ü".encode("utf-16"), "must be UTF-8 text, but its encoding is UTF-16; save it as UTF-8"),
        (b"a: \0", "must be YAML, but unacceptable character #x0000"),
        (b"a: [1", "must be YAML, but while parsing a flow sequence at line 1, column 4"),
        (b"a: 1\nb: 2\na: 3", "must be YAML, but a key must appear once, but ['a'] appears twice at line 1, column 1"),
        (b"a: 1\n---\nb: 2", "must be YAML, but expected a single document"),
        (b"a: " + b"[" * 3000, "must be YAML, but it is nested too deep"),
        (b"a: 2024-13-45", "must be YAML, but month must be in 1..12 at line 1, column 4"),
        (b"a: !!int x", "must be YAML, but invalid literal for int() with base 10: 'x' at line 1, column 4"),
        (b"a: " + b"9" * 5000, "must be YAML, but a number must have at most 400 digits at line 1, column 4"),
        (b"? [a, b]\n: 1", "must be YAML, but unhashable type: 'list' at line 1, column 1"),
        (b"a: !!python/object/apply:os.system [ls]", "must be YAML, but could not determine a constructor"),
        (b"a: &x [*x]", "must be YAML, but an alias must not contain itself"),
    ],
)
def test_a_file_that_is_no_mapping_is_one_message_with_the_law(tmp_path: Path, content: bytes, law: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    (mistake,) = told(path)
    assert mistake.startswith(law)


@pytest.mark.parametrize("name", ["none.yaml", "folder", "loop.yaml", "file/spec.yaml", "n" * 300, "a\0b"])
def test_a_file_that_cannot_be_read_is_one_message(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (mistake,) = told(tmp_path / name)
    assert mistake.startswith("must be a readable file, but ")


@pytest.mark.parametrize(
    ("key", "value", "mistake"),
    [
        ("budget", "{trials: true}", "budget.trials: must be a whole number, but got True"),
        ("budget", "{trials: '12'}", "budget.trials: must be a whole number, but got '12'"),
        ("retention", "{keep: 0}", "retention.keep: must be greater than or equal to 1, but got 0"),
        ("retention", "{quota_gb: 0}", "retention.quota_gb: must be greater than 0, but got 0"),
        ("budget", "{trials: 0}", "budget.trials: must be greater than or equal to 1, but got 0"),
        ("budget", "{trials: .nan}", "budget.trials: must be a whole number, but got nan"),
        ("budget", "{trials: 1, hours: .inf}", "budget.hours: must be a finite number, but got inf"),
        ("budget", "{trials: 1, hours: 0}", "budget.hours: must be greater than 0, but got 0"),
        ("budget", "{trails: 1, trials: 1}", "budget.trails: is not a known key; did you mean trials?"),
        ("lr0", "0.01", "lr0: is not a known key; did you mean space.lr0 or train.lr0?"),
        ("trials", "3", "trials: is not a known key; did you mean budget.trials?"),
        ("budget", "{trials: 1, seed: 3}", "budget.seed: is not a known key; did you mean seed?"),
        ("budget", "{trials: 1, lr0: 3}", "budget.lr0: is not a known key; did you mean space.lr0 or train.lr0?"),
        ("epochs", "3", "epochs: is not a known key: set ladder.max_epochs"),
        ("train", "{max_epochs: 3}",
         "train.max_epochs: is not a setting of Ultralytics; did you mean ladder.max_epochs?"),
        ("budget", "{}", "budget.trials: must be given"),
        ("budget", "[1]", "budget: must contain `key: value` lines, but got [1]"),
        ("budgte", "1", "budgte: is not a known key; did you mean budget?"),
        ("1", "2", "1: must have keys that are text, but got 1"),
        ("name", "3", "name: must be text, but got 3"),
        ("objective", "map", "objective: must be 'map50_95', 'map50', 'precision' or 'recall', but got 'map'"),
        ("seed", "-1", "seed: must be greater than or equal to 0, but got -1"),
        ("seed", str(2**31), "seed: must be less than 2147483648, but got 2147483648"),
        ("ladder", "{min_epochs: 9, max_epochs: 6}",
         "ladder: min_epochs <= max_epochs must hold, but got min_epochs=9, max_epochs=6; --set ladder.min_epochs=6 or "
         "--set ladder.max_epochs=9"),
        ("ladder", "{min_epochs: 1, max_epochs: 6, reduction_factor: 1}",
         "ladder.reduction_factor: must be greater than or equal to 2, but got 1"),
        ("resources", "{gpus: true}", "resources.gpus: must be 'auto' or a number, but got True"),
        ("resources", "{cpus: 0}", "resources.cpus: must be 'auto' or greater than 0, but got 0"),
        ("resources", "{concurrent: 1.5}", "resources.concurrent: must be 'auto' or a whole number, but got 1.5"),
        ("confirm", "{seeds: 1}",
         "confirm.seeds: must be auto, 0 (no re-training) or at least 2, but got 1: one seed shows no spread; "
         "--set confirm.seeds=2"),
        ("confirm", "{retrainings: 3}",
         "confirm.retrainings: must be 'auto' or greater than or equal to 4, but got 3"),
        ("confirm", "{finalists: 0}", "confirm.finalists: must be 'auto' or greater than or equal to 1, but got 0"),
        ("confirm", "{seeds: 3, finalists: 2}",
         "confirm: finalists can be given where seeds is auto, but got seeds=3, finalists=2; "
         "--set confirm.seeds=auto"),
        ("confirm", "{seeds: 3, retrainings: 5}",
         "confirm: retrainings >= 2 x seeds > 0 must hold, but got seeds=3, retrainings=5; "
         "--set confirm.retrainings=6"),
        ("confirm", "{seeds: 0, retrainings: 9}",
         "confirm: retrainings >= 2 x seeds > 0 must hold, but got seeds=0, retrainings=9; "
         "--set confirm.retrainings=auto"),
        ("gates", "{confidence: 1.0}", "gates.confidence: must be less than 1, but got 1.0"),
        ("gates", "{require_engine: 1}", "gates.require_engine: must be true or false, but got 1"),
        ("export", "{engine: trt}",
         "export.engine: must be 'auto', 'tensorrt', 'tensorrt_rtx' or 'none', but got 'trt'"),
        ("train", "[1]", "train: must contain `key: value` lines, but got [1]"),
        ("train", "{1: 2}", "train.1: must have keys that are text, but got 1"),
        ("train", "{epochs: 3}", "train.epochs: cannot be set here: set ladder.max_epochs"),
        ("train", "{zzz: 3}", "train.zzz: is not a setting of Ultralytics"),
        ("train", "{batches: 3}", "train.batches: is not a setting of Ultralytics; did you mean batch?"),
        ("train", "{imgsz: big}", "train.imgsz: must be a number, but got 'big'"),
        ("train", "{lr0: 1}", "train.lr0: must not be fixed and searched at once, but is in train and in space; "
         "remove one of them"),
        *(("train", f"{{cache: {value}}}",
           f"train.cache: must be a finite number, text, true, false, null or a list, but got {shown}")
          for value, shown in [(".nan", "nan"), ("[1, -.inf]", "[1, -inf]"), ("{a: 1}", "{'a': 1}"),
                               ("2020-01-01", "datetime.date(2020, 1, 1)"), ("!!binary aGk=", "b'hi'")]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_line_with_key_law_and_value(tmp_path: Path, key: str, value: str, mistake: str) -> None:
    assert told(changed(tmp_path, **{key: value})) == (mistake,)


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("3", f": {RANGE}, but got 3"),
        ("null", f": {RANGE}, but got None"),
        ("{low: 0.1, high: 0.01, default: 0.1}", ": low < high must hold, but got low=0.1, high=0.01"),
        ("{low: 1, high: 1, default: 1}", ": low < high must hold, but got low=1, high=1"),
        ("{low: 0.1, high: 0.2, default: 1}",
         ": low <= default <= high must hold, but got low=0.1, default=1, high=0.2"),
        ("{low: 0, high: 1, default: 0.5, log: true}", ": low > 0 must hold on a log scale, but got low=0"),
        ("{low: 1.5, high: 3, default: 2, type: int}",
         ": low, high and default must be whole numbers for type int, but got low=1.5, high=3, default=2"),
        ("{low: true, high: 2, default: 1.5}", ".low: must be a number, but got True"),
        ("{low: .nan, high: 2, default: 1}", ".low: must be a finite number, but got nan"),
        (f"{{low: 1, high: {HUGE}, default: 2}}", f".high: must be a number, but got {HUGE[:80]} ..."),
        ("{low: 1, high: 2}", ".default: must be given"),
        ("{low: 1, high: 2, default: 1, type: whole}", ".type: must be 'float' or 'int', but got 'whole'"),
        ("{low: 1, high: 2, default: 1, logs: true}", ".logs: is not a known key; did you mean log?"),
        ("{choices: [1, 2], default: 1, low: 1}", ".low: is not a known key"),
        ("{choices: [], default: 1}", ".choices: must have at least 1 item, but got []"),
        ("{choices: 3, default: 1}", ".choices: must be a list, but got 3"),
        ("{choices: [1, 2], default: 3}", ": default must be one of the choices [1, 2], but got 3"),
        ("{choices: [1, 2], default: true}", ": default must be one of the choices [1, 2], but got True"),
        *((f"{{choices: {choices}, default: 5}}",
           f": choices must differ (1, 1.0 and true are the same), but got {shown}")
          for choices, shown in [("[5, 1, true]", "[5, 1, True]"), ("[1.0, 5, 1]", "[1.0, 5, 1]"),
                                 ("[5, 5]", "[5, 5]")]),
        ("{choices: [[1], 2], default: 2}",
         ".choices.0: must be a number or a whole number or text or true or false, but got [1]"),
        ("{low: 1, high: 2, default: 1, when: 3}", ".when: must contain `key: value` lines, but got 3"),
        ("{low: 1, high: 2, default: 1, when: {optimizer: SGD}}", ".when.optimizer: must be a list, but got 'SGD'"),
        ("{low: 1, high: 2, default: 1, when: {lr0: [1]}}",
         ".when.lr0: must name a parameter with choices that comes earlier in space, one of ['optimizer']"),
        ("{low: 1, high: 2, default: 1, when: {optimizer: []}}",
         ".when.optimizer: must name at least one of the choices ['SGD', 'AdamW'], but got none"),
        ("{low: 1, high: 2, default: 1, when: {optimizer: [Adam]}}",
         ".when.optimizer: must be among the choices ['SGD', 'AdamW'], but got ['Adam']"),
        ("[]", ": must have at least 1 item, but got []"),
        ("[3]", f".0: {RANGE}, but got 3"),
        (f"[{LR0}]",
         ".0: must have a condition, such as when: {optimizer: [SGD]}, but has no when"),
        (f"[{OF_SGD}, {{choices: [1, 2], default: 1, when: {{optimizer: [AdamW]}}}}]",
         ".1: must be a range with low and high: only numbers can have alternatives, but got {'choices': [1, 2], "
         "'default': 1, 'when': {'optimizer': ['AdamW']}}"),
        (f"[{OF_SGD}, {{low: 1, high: 2, default: 1, type: int, when: {{optimizer: [AdamW]}}}}]",
         ": alternatives must be of one type, but got ['float', 'int']"),
        (f"[{OF_SGD}, {OF_SGD}]",
         ": 0 and 1 must exclude each other by one parameter in when without a common value, but got "
         "{'optimizer': ['SGD']} and {'optimizer': ['SGD']}"),
        (f"[{OF_SGD}, {{low: 1, high: 2, default: 1, when: {{optimizer: [Adam]}}}}]",
         ".1.when.optimizer: must be among the choices ['SGD', 'AdamW'], but got ['Adam']"),
        (f"[{OF_SGD}, {{low: 3, high: 2, default: 1, when: {{optimizer: [AdamW]}}}}]",
         ".1: low < high must hold, but got low=3, high=2"),
        (f"[{OF_SGD}, {{low: 1, hihg: 2, high: 3, default: 1, when: {{optimizer: [AdamW]}}}}]",
         ".1.hihg: is not a known key; did you mean high?"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_one_line_with_key_law_and_values(tmp_path: Path, value: str, mistake: str) -> None:
    space = f"{{optimizer: {{choices: [SGD, AdamW], default: SGD}}, lr0: {value}}}"
    assert told(changed(tmp_path, space=space)) == (f"space.lr0{mistake}",)


def test_choices_that_read_alike_are_refused(tmp_path: Path) -> None:
    (mistake,) = told(changed(tmp_path, space="{cache: {choices: [1, '1'], default: 1}}"))
    assert mistake == "space.cache: choices must differ (1, 1.0 and true are the same), but got [1, '1']"


def test_conditions_in_a_circle_are_refused(tmp_path: Path) -> None:
    space = (
        "{optimizer: {choices: [SGD], default: SGD, when: {cache: [1]}},"
        " cache: {choices: [1], default: 1, when: {optimizer: [SGD]}}}"
    )
    law = "must name a parameter with choices that comes earlier in space, one of []"
    assert told(changed(tmp_path, space=space)) == (f"space.optimizer.when.cache: {law}",)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/abs", "ünï", "a b", "a\n", "-x", "x" * 65, "a\0"])
def test_a_name_is_a_plain_folder_name(tmp_path: Path, name: str) -> None:
    quoted = yaml.safe_dump(name, default_style='"').strip()
    for key in ("name", "champion"):
        (mistake,) = told(changed(tmp_path, **{key: quoted}))
        assert mistake == (
            f"{key}: must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or a digit, but got {name!r}"
        )


@pytest.mark.parametrize("model", ["none.pt", "", "m" * 300, "a\0b", "folder"])
def test_a_model_is_a_file_that_is_there_or_a_packaged_description(tmp_path: Path, model: str) -> None:
    (tmp_path / "folder").mkdir()
    quoted = yaml.safe_dump(model, default_style='"', width=1000).strip()
    space = f"{{model: {{choices: [tiny.yaml, {quoted}], default: tiny.yaml}}}}"
    (mistake,) = told(changed(tmp_path, model=quoted, space=space))
    assert mistake.startswith("model, space.model: must be an existing file")
    assert "but got" in mistake


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    space = "{lr0: {low: 1, high: 0, default: 3}, nothing: {choices: [1], default: 2}}"
    mistakes = told(changed(tmp_path, space=space, train="{epochs: 1, imgsz: x}", model="none.pt"))
    assert [mistake.partition(": ")[0] for mistake in mistakes] == [
        "space.lr0", "space.nothing", "model", "space.nothing", "train.epochs", "train.imgsz",
    ]  # fmt: skip


def test_a_wrong_setting_hides_no_crash_in_what_follows_from_it(tmp_path: Path) -> None:
    path = changed(tmp_path, space=f"{{mosaic: {LR0}}}", train="{close_mosaic: never}")
    assert told(path) == ("train.close_mosaic: must be a number, but got 'never'",)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
rubbish = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=6
)
PLACES: list[tuple[Any, ...]] = [(key,) for key in SPEC] + [
    ("train",),
    ("gates",),
    ("resources",),
    ("confirm",),
    ("export",),
]
DEEPER = [("budget", "hours"), ("space", "lr0"), ("space", "momentum"), ("space", "momentum", 0),
          ("space", "momentum", 0, "when"), ("space", "lr0", "low"), ("space", "optimizer", "choices"),
          ("space", "lr0", "when"), ("train", "imgsz"), ("train", "cache"), ("gates", "confidence")]  # fmt: skip


@pytest.mark.slow
@LOADED
@given(place=st.sampled_from(PLACES + DEEPER), value=rubbish)
def test_rubbish_at_any_key_is_taken_or_told_but_never_a_crash(
    tmp_path: Path, place: tuple[Any, ...], value: Any
) -> None:
    raw: dict[str, Any] = yaml.safe_load(yaml.safe_dump({**SPEC, "train": {}, "gates": {}}))
    raw["space"]["momentum"] = [yaml.safe_load(OF_SGD)]
    inner: Any = raw
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    try:
        found = load.load(path, rules=FakeRules())
    except SpecError as error:
        lines = error.mistakes
    else:
        lines = ()
        assert load.stored(written(tmp_path, "study.yaml", load.dump(found))) == found
    assert all(line.startswith(f"{path}: ") for line in lines)
