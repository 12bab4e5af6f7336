"""The contract of a trainer (`automl/trainers/protocol.py`): each one passes each of these tests."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.data.labels import label_lines
from automl.release import parity
from automl.storage import curves_file, detections
from automl.storage.boxes import overlaps
from automl.storage.epoch_details import EpochDetails
from automl.storage.layout import BEST, LAST
from automl.study import EvalSettings, Job, Measurement, Params
from automl.study.errors import TrialError
from automl.study.space import Real, SearchSpace
from automl.trainers import Trainer, trainer_of, yolo
from automl.trials import worker
from tests import tiny_trainer
from tests.builders import METRIC
from tests.conftest import small_job_at, tiny_job_at

EPOCHS = 3
TRAINERS: Mapping[str, Trainer] = {"yolo": yolo, tiny_trainer.NAME: tiny_trainer}
JOBS: Mapping[str, Callable[[Path, Path], Job]] = {"yolo": small_job_at, tiny_trainer.NAME: tiny_job_at}
DIVERGING: Mapping[str, Params] = {"yolo": {"box": 1e40}, tiny_trainer.NAME: {"lr0": 10.0}}
WITHOUT_EFFECT = SearchSpace({"dropout": Real(0.0, 0.5, 0.0)})


class Killed(BaseException):
    """What the loss of its worker looks like to a trial."""


@dataclass
class Kept:
    """A training whose files of each epoch were kept; the weights of epoch 1 stood at `best.pt` all the time."""

    job: Job
    scratch: Path
    measurements: list[Measurement] = field(default_factory=list)
    weights: list[Path] = field(default_factory=list)
    states: list[Path] = field(default_factory=list)
    shown: list[EpochDetails] = field(default_factory=list)
    final: Mapping[str, float] = field(default_factory=dict)

    def on_epoch(self, measurement: Measurement, weights: Path, state: Path, shown: EpochDetails) -> None:
        self.shown.append(shown)
        self.measurements.append(measurement)
        for source, kept, suffix in ((weights, self.weights, ".pt"), (state, self.states, ".state")):
            kept.append(self.scratch / f"{measurement.epoch}{suffix}")
            kept[-1].write_bytes(source.read_bytes())
        weights.with_name(BEST).write_bytes(self.weights[0].read_bytes())


@pytest.fixture(scope="class", params=[pytest.param("yolo", marks=pytest.mark.yolo), tiny_trainer.NAME])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="class")
def job(name: str, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job of three epochs, of which the last two are validated."""
    return replace(JOBS[name](tmp_path_factory.mktemp(name) / "job", data), epochs=EPOCHS, validate_every=2)


@pytest.fixture(scope="class")
def trainer(job: Job) -> Trainer:
    return trainer_of(job)


@pytest.fixture(scope="class")
def kept(trainer: Trainer, job: Job) -> Kept:
    """The job, trained by the trainer alone."""
    found = Kept(job, job.folder.parent / "kept")
    (found.scratch / "weights").mkdir(parents=True)
    found.final = trainer.train(job, found.scratch, state=None, on_epoch=found.on_epoch)
    return found


@pytest.fixture(scope="class")
def whole(job: Job) -> Mapping[str, Any]:
    """What the job gives on a worker when nothing interrupts it."""
    return outcome(job)


def outcome(job: Job, *, cuts: tuple[int, ...] = ()) -> Mapping[str, Any]:
    """Train on a worker, killed after each of `cuts` and run again; return curve and final metrics."""
    job.folder.mkdir(exist_ok=True)  # as a driver does: a folder that is missing is a storage that is away
    for cut in cuts:

        def killed(measurement: Measurement, cut: int = cut) -> None:
            if measurement.epoch == cut:
                raise Killed

        with pytest.raises(Killed):
            worker.run(job, killed)
    ending = worker.run(job, lambda _measurement: None)
    assert ending.final, ending.cause
    final = {tag: value for tag, value in ending.final.metrics.items() if not tag.startswith("class/")}
    return {"curve": [m.metrics for m in curves_file.read_curves(job.folder)], "final": final}


def flipped(path: Path, target: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    return target


class TestContract:
    """Laws of every trainer."""

    def test_an_epoch_shows_finite_values(self, kept: Kept) -> None:
        assert len(kept.shown) == EPOCHS
        assert all(math.isfinite(value) for shown in kept.shown for value in shown.scalars.values())
        assert not any(shown.images for shown in kept.shown), "pictures are shown where the job names an interval"

    def test_it_is_found_by_the_name_in_a_job(self, trainer: Trainer, name: str) -> None:
        assert trainer is TRAINERS[name]

    def test_each_epoch_is_measured_and_validated_where_the_job_says(self, kept: Kept) -> None:
        assert [m.epoch for m in kept.measurements] == [1, 2, 3]
        assert [METRIC in m.metrics for m in kept.measurements] == [False, True, True]
        assert all(m.seconds > 0 and "train/box_loss" in m.metrics for m in kept.measurements)
        assert all(math.isfinite(value) for m in kept.measurements for value in m.metrics.values())

    @pytest.mark.parametrize("cuts", [(1,), (2,), (3,), (1, 2, 3)])
    def test_interrupted_at_any_epoch_it_resumes_as_if_it_had_not_been(
        self, job: Job, whole: Mapping[str, Any], cuts: tuple[int, ...]
    ) -> None:
        folder = job.folder.with_name("cut" + "".join(map(str, cuts)))

        assert outcome(replace(job, folder=folder), cuts=cuts) == whole

    def test_the_same_seed_gives_the_same_curve_and_another_seed_another(
        self, kept: Kept, job: Job, whole: Mapping[str, Any]
    ) -> None:
        other = outcome(replace(job, folder=job.folder.with_name("other"), seed=job.seed + 1))

        for found, expected in zip(kept.measurements, whole["curve"], strict=True):
            assert found.metrics == pytest.approx(expected)
        assert other["curve"] != whole["curve"]

    def test_the_best_weights_are_evaluated_whoever_put_them_there(
        self, trainer: Trainer, job: Job, kept: Kept, tmp_path: Path
    ) -> None:
        first = tmp_path / "first.pt"
        first.write_bytes(kept.weights[0].read_bytes())
        trainer.strip(first)

        assert kept.final[METRIC] == trainer.validate(first, job, split="val", as_trained=True)[METRIC]

    def test_a_finished_training_leaves_stripped_weights(self, trainer: Trainer, kept: Kept) -> None:
        for made in (LAST, BEST):
            path = kept.scratch / "weights" / made
            assert trainer.epochs_done(path) == 0
            assert path.stat().st_size < kept.weights[-1].stat().st_size

    def test_a_state_knows_its_epoch_and_gives_its_weights(
        self, trainer: Trainer, job: Job, kept: Kept, tmp_path: Path
    ) -> None:
        assert [trainer.epochs_done(state) for state in kept.states] == [1, 2, 3]
        trainer.write_weights(kept.states[-1], tmp_path / "written.pt")
        last = kept.scratch / "weights" / LAST

        assert trainer.epochs_done(tmp_path / "written.pt") == 0
        one, other = (trainer.validate(path, job, split="val") for path in (tmp_path / "written.pt", last))
        assert one == other

    def test_damaged_bytes_are_found(self, trainer: Trainer, kept: Kept, tmp_path: Path) -> None:
        for sound in (kept.states[0], kept.weights[0]):
            assert trainer.damage(sound) == ""
            assert trainer.damage(flipped(sound, tmp_path / "flipped"))
        with pytest.raises(TrialError, match="cannot be read as a checkpoint"):
            trainer.epochs_done(flipped(kept.states[0], tmp_path / "flipped"))
        (tmp_path / "empty").write_bytes(b"")
        with pytest.raises(TrialError, match="cannot be read as a checkpoint"):
            trainer.epochs_done(tmp_path / "empty")

    def test_a_loss_that_is_no_number_ends_the_training(
        self, trainer: Trainer, job: Job, name: str, tmp_path: Path
    ) -> None:
        broken = replace(job, params={**job.params, **DIVERGING[name]})
        (tmp_path / "weights").mkdir()

        with pytest.raises(TrialError, match=r"not finite at epoch \d: "):
            trainer.train(broken, tmp_path, state=None, on_epoch=lambda *_given: None)

    def test_parameters_are_counted_from_a_description_and_from_weights(
        self, trainer: Trainer, job: Job, kept: Kept, tmp_path: Path
    ) -> None:
        assert trainer.parameters(job.model) > 0
        assert trainer.parameters(str(kept.weights[0])) == trainer.parameters(str(kept.scratch / "weights" / BEST)) > 0
        (tmp_path / "none.pt").write_bytes(b"no model")
        with pytest.raises(TrialError, match=r"none\.pt"):
            trainer.parameters(str(tmp_path / "none.pt"))

    def test_laws_of_settings_answer_in_words(self, trainer: Trainer, kept: Kept, tmp_path: Path) -> None:
        defaults = trainer.settings()
        assert {"optimizer", "lr0", "momentum", "batch", "imgsz"} <= defaults.keys()
        for setting in ("optimizer", "lr0", "momentum", "batch", "imgsz"):
            assert trainer.setting_mistake(setting, defaults[setting]) == ""
        for setting, value in (("optimizer", "none"), ("lr0", "fast"), ("batch", 0), ("imgsz", -32)):
            assert len(trainer.setting_mistake(setting, value).split()) > 3
        assert {"model", "data", "epochs", "seed"} <= trainer.MANAGED.keys()
        assert trainer.model_mistake(kept.scratch / "weights" / BEST) == ""
        (tmp_path / "none.pt").write_bytes(b"no weights")
        assert trainer.model_mistake(tmp_path / "none.pt").startswith("must be ")
        assert trainer.packaged_mistake("no-such-model.yaml") is None
        found = list(trainer.dead_parameters(WITHOUT_EFFECT, defaults, epochs=EPOCHS))
        assert [line.partition(": ")[0] for line in found] == ["space.dropout"]

    def test_defaults_of_a_plain_training_are_explicit(self, trainer: Trainer) -> None:
        plain = trainer.plain_hyperparameters()
        resolved = trainer.resolve_auto(images=24, classes=3, epochs=EPOCHS, batch=8)

        assert plain.items() <= trainer.settings().items()
        assert resolved.keys() == {"optimizer", "lr0", "momentum", "warmup_bias_lr"}
        assert resolved["optimizer"] != "auto"
        assert resolved.keys() <= plain.keys()

    def test_sizes_are_those_of_the_job_or_the_defaults(self, trainer: Trainer, job: Job) -> None:
        given = replace(job, settings={**job.settings, "imgsz": 96, "batch": 4})

        assert (trainer.image_size(given), trainer.batch_size(given)) == (96, 4)
        assert trainer.batch_size(replace(job, settings={})) == trainer.BATCH

    def test_detections_lie_in_their_image_and_come_in_the_order_of_the_images(
        self, trainer: Trainer, job: Job, kept: Kept
    ) -> None:
        images = sorted((Path(job.data).parent / "images" / "test").iterdir())[:3]
        found = list(trainer.detect(weights := kept.scratch / "weights" / LAST, job, images))
        assert [one.boxes.shape for one in found] == [(len(one.kind), 4) for one in found]
        assert all(((one.boxes >= -1e-6) & (one.boxes <= 1 + 1e-6)).all() for one in found)
        (alone,) = trainer.detect(weights, job, images[1:2])
        assert alone.conf == pytest.approx(found[1].conf, abs=1e-3)

    def test_what_is_exported_is_judged_like_the_weights(
        self, trainer: Trainer, job: Job, kept: Kept, tmp_path: Path
    ) -> None:
        weights = tmp_path / "model.pt"
        weights.write_bytes((kept.scratch / "weights" / LAST).read_bytes())
        exported = trainer.export_onnx(weights, job)
        images = sorted((Path(job.data).parent / "images" / "test").iterdir())

        assert exported.suffix == ".onnx"
        assert parity.compare(weights, exported, images[:2], job) <= parity.MAX_DIFFERENCE
        ours, stats = trainer.judge(weights, job, split="test")
        theirs, _ = trainer.judge(exported, job, split="test")
        assert theirs["test/map50_95"] == pytest.approx(ours["test/map50_95"], abs=0.01)
        assert set(stats.names) == {image.name for image in images}
        found = detections.metrics(stats)
        assert {f"test/{metric}": value for metric, value in found.items()} == pytest.approx(
            {f"test/{metric}": ours[f"test/{metric}"] for metric in found}, abs=1e-4
        )
        assert ours == trainer.validate(weights, job, split="test")
        boxes = stats.boxes
        assert boxes is not None
        classes = len(trainer.evaluation(job).names)
        labels = [line.text.split()[1:5] for image in images for line in label_lines(image, classes)]
        centres = (boxes.truth[:, :2] + boxes.truth[:, 2:]) / 2
        truth = np.hstack([centres, boxes.truth[:, 2:] - boxes.truth[:, :2]])
        assert len(truth) == len(labels)
        assert truth.mean(axis=0) == pytest.approx(np.array(labels, np.float64).mean(axis=0), abs=0.005)
        for place in np.flatnonzero(stats.tp[:, 0]):
            same = (stats.truth_image == stats.image[place]) & (stats.truth_kind == stats.kind[place])
            assert overlaps(boxes.found[[place]], boxes.truth[same]).max() >= 0.49

    def test_the_evaluation_of_a_job_is_a_record_that_json_holds(self, trainer: Trainer, job: Job) -> None:
        found = trainer.evaluation(job)

        assert found.imgsz == trainer.image_size(job)
        assert EvalSettings.from_dict(json.loads(json.dumps(found.to_dict()))) == found
        assert trainer.model_names({}, found.names) == found.names

    def test_features_of_objects_are_bounded_and_labelled(self, trainer: Trainer, job: Job, kept: Kept) -> None:
        weights, most = kept.scratch / "weights" / BEST, 5
        whole, part = (trainer.object_features(weights, job, split="val", most=count) for count in (10_000, most))

        assert whole.total == part.total == len(whole.vectors) > most == len(part.vectors)
        assert len(part.classes) == len(part.images) == len(part.thumbnails) == most
        assert part.vectors.shape[1] == whole.vectors.shape[1] > 1
        assert np.isfinite(whole.vectors).all()
        assert set(whole.classes) == {"hole", "scratch", "spot"}
        assert part.thumbnails.shape[1] == part.thumbnails.shape[2]

    def test_a_training_is_timed(self, trainer: Trainer, job: Job, tmp_path: Path) -> None:
        timing = trainer.measure(replace(job, folder=tmp_path / "timed"))

        assert min(timing.train_batch, timing.val_batch, timing.epoch) > 0
        assert timing.batch == trainer.batch_size(job)
        assert trainer.gpu_count() >= trainer.has_cuda()
