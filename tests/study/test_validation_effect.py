"""Parameters without effect: refused with the setting that mends it, and a law that several keys break told once."""

from pathlib import Path

from tests.study.test_validation import LR0, changed, told


def test_a_law_that_several_keys_break_alike_is_told_once(tmp_path: Path) -> None:
    path = changed(tmp_path, space=f"{{mosaic: {LR0}, mixup: {LR0}, lr0: {LR0}, momentum: {LR0}}}")
    mosaic, rates = told(path)
    assert mosaic == (
        "space.mosaic, space.mixup: close_mosaic < max_epochs must hold, but got close_mosaic=10, max_epochs=6: "
        "mosaic, mixup and cutmix would be off from the first epoch; --set train.close_mosaic=3, or "
        "--set ladder.max_epochs=11"
    )
    assert rates.startswith("space.lr0, space.momentum: optimizer=auto ignores it; --set train.optimizer=SGD")


def test_a_parameter_without_effect_is_refused(tmp_path: Path) -> None:
    (mistake,) = told(changed(tmp_path, space=f"{{lr0: {LR0}}}"))
    assert mistake.startswith("space.lr0: optimizer=auto ignores it")
    optimizer = "{choices: [auto, SGD], default: SGD}"
    (mistake,) = told(changed(tmp_path, space=f"{{optimizer: {optimizer}, lr0: {LR0}}}"))
    assert mistake.endswith("add when: {optimizer: [SGD]}")
