"""Inputs of a study: model files copied into its folder, data checked and staged, warm start."""

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from automl.data import archive, check, picture_cache, sample, staging, summary
from automl.data.places import resolved
from automl.data.record import DataSet
from automl.data.summary import Summary
from automl.hpo import warm_start as hpo_warm_start
from automl.pipeline import class_weights, data_identity
from automl.storage import files, layout, records, scratch, symlinks
from automl.storage.journal import Journal
from automl.storage.layout import DATA, DATA_YAML, DRAWN, JOURNAL, MODELS, UNPACKED
from automl.storage.outage import retry_on_outage
from automl.storage.place import Place
from automl.study.errors import DataError
from automl.study.messages import shown
from automl.study.model_files import renamed
from automl.study.model_files import source_of as source_of_model
from automl.study.objective import RateGoal
from automl.study.space_spec import ChoiceSpec, RangeSpec
from automl.study.spec import SAMPLE, StudySpec
from automl.study.trial import ParamValue
from automl.trainers import trainer_of


def adopt(spec: StudySpec, folder: Path) -> StudySpec:
    """Copy the model files into the study's folder and name them by their place in it, `models/<digest>/<name>`.

    The folder of a submitted job is deleted with the cluster, so the study keeps its own copy; the same study submitted
    again, or from another path, is recognised by the content of the files.
    """

    def own(name: str) -> str:
        if symlinks.contains_file(folder, name):
            return name
        source, target = source_of_model(name), kept_name(name)
        if source and not (folder / target).exists():
            files.copy(source, folder / target)
        return target

    return renamed(spec, own)


def kept_name(name: str) -> str:
    """Return the name under which a study keeps a model file; one that Ultralytics ships stays a name."""
    source = source_of_model(name)
    return str(Path(MODELS, files.sha256(source)[:12], Path(name).name)) if source else name


def located(spec: StudySpec, folder: Path) -> StudySpec:
    """Return a description whose model files, adopted into a study's folder, are named by whole paths."""
    return renamed(spec, lambda name: str(folder / name) if symlinks.contains_file(folder, name) else name)


def named_from(storage: Path, spec: StudySpec) -> StudySpec:
    """Make paths of earlier studies in the storage relative to it, so that they do not depend on its mount point."""
    root = storage.resolve()
    names = [os.path.relpath(name, root) if Path(name).is_relative_to(root) else name for name in spec.warm_start]
    return spec.model_copy(update={"warm_start": names})


def warm_start(spec: StudySpec, place: Place, data: DataSet) -> tuple[hpo_warm_start.Transfer, ...]:
    """Return the transfers of earlier studies: read at the first start, later from the study's own copy.

    Raises:
        StudyError: an earlier study has no usable trials, or the copy is missing.
    """
    folder = place.study(spec.name)
    summary = summary_of(data)
    if summary:
        records.write_json(folder / layout.DATASET, summary.to_dict())
    if (folder / JOURNAL).exists():
        return hpo_warm_start.kept(folder, spec.search_space) if spec.warm_start else ()
    transfers = transfers_of(spec, place, summary)
    hpo_warm_start.keep(folder, transfers)
    return transfers


def transfers_of(spec: StudySpec, place: Place, data: Summary | None) -> tuple[hpo_warm_start.Transfer, ...]:
    """Read the earlier studies of a description."""
    if not spec.warm_start:
        return ()
    return hpo_warm_start.gather(spec, place.storage, data=data, settings=trainer_of().settings())


def prepare_data(
    given: str, folder: Path, *, split: str, searched: Container[str], journal: Journal | None = None
) -> tuple[DataSet, Path]:
    """Check the study's data, generating the sample if requested, and stage it in the study's folder.

    `journal` is that of a study that has begun.

    Raises:
        StudyError: the study has begun, and its data set has changed.
    """
    source, study = source_of(given, folder), None if given == SAMPLE else folder
    if given == SAMPLE and not source.exists():
        retry_on_outage(folder, lambda: sample.draw(source.parent))
    data = check_data(source, unpacked=folder / UNPACKED, split=split, searched=searched, study=study)
    data_identity.refuse_changed(data, folder, journal)
    return data, retry_on_outage(folder, lambda: staging.stage(data, folder / DATA))


def source_of(given: str, folder: Path) -> Path:
    """Return the `data.yaml` of a study's data set, also where its folder was given; an archive as it is."""
    return folder / DRAWN / DATA_YAML if given == SAMPLE else archive.yaml_if_folder(Path(given))


def check_data(
    source: Path, *, unpacked: Path, split: str, searched: Container[str], study: Path | None = None
) -> DataSet:
    """Check the splits that the study will use; an archive is unpacked into the folder `unpacked`.

    `study` is the study's folder, which must not contain the data set; None for the sample, which it may contain.

    Raises:
        DataError: the data cannot be used, or a searched setting has no effect on them.
    """
    splits = tuple(dict.fromkeys(("train", "val", split)))
    refuse_inside(study, [source])
    place, raw = archive.described(source.absolute(), unpacked=unpacked)
    made_here = place.is_relative_to(unpacked.parent)  # the sample, or an archive
    cache = None if made_here else picture_cache.default_folder()
    data = check.check(place, raw, splits=splits, cache=cache)
    if not made_here:
        refuse_inside(study, [place, *data.places, *dict.fromkeys(p.parent for ps in data.images.values() for p in ps)])
    if mistake := polygon_mistake(data, searched):
        raise DataError(f"{place}: {mistake}")
    return data


def polygon_mistake(data: DataSet, searched: Container[str]) -> str:
    """Return why `copy_paste` has no effect on these labels, empty where it has or is not searched."""
    if "copy_paste" not in searched or "train" in data.polygons:
        return ""
    return (
        "labels of train must all be polygons, since space.copy_paste has no effect on boxes; "
        "remove space.copy_paste, or provide polygon labels"
    )


def refuse_inside(study: Path | None, paths: Iterable[Path]) -> None:
    """Check that a data set is not in the folder of its study, where the study writes and deletes.

    Raises:
        DataError: a part of it is.
    """
    folder = study.resolve() if study else None
    for path in paths if folder else ():
        if folder and any(place.is_relative_to(folder) for place in (path.absolute(), resolved(path))):
            raise DataError(
                f"{path}: must not be in the study's own folder {study}, where the study writes and deletes; move the "
                "data set out of it, or choose another --name"
            )


def setting_warnings(train: Mapping[str, Any], data: DataSet, *, searched: Container[str] = ()) -> Iterator[str]:
    """Yield warnings about settings that have little effect on these data, or that these data call for.

    A fixed `copy_paste` without effect; a searched one is refused. `cls_pw`, fixed or searched.
    """
    if train.get("copy_paste") and "train" not in data.polygons:
        value = shown(train["copy_paste"])
        yield (
            f"train.copy_paste: {value} has no effect, since not all labels of train are polygons; "
            "remove it, or provide polygon labels"
        )
    yield from class_weights.warnings(data.boxes["train"], train=train, searched=searched)


def refuse_misfits(spec: StudySpec, data: DataSet) -> None:
    """Check the settings that depend on the model's layers or the data's classes.

    Raises:
        DataError: some do not fit.
    """
    if mistakes := [*_rate_misfits(spec.rate, data, spec.confirm.split)]:
        raise DataError(*mistakes)
    searched = {name: values_of(part) for name, _, part in spec.parts()}
    fixed = {name: [value] for name, value in spec.train.items()}
    models = {str(value) for value in searched.get("model", [])} | {spec.model}
    found = [
        f"{section}.{mistake}"
        for section, values in (("train", fixed), ("space", searched))
        for model in sorted(models)
        for mistake in trainer_of().misfits(values, model=model, names=data.names)
    ]
    if found:
        raise DataError(*dict.fromkeys(found))


def _rate_misfits(rate: RateGoal | None, data: DataSet, judged: str) -> Iterator[str]:
    """Yield what a split lacks to measure the miss rate of the objective: images with boxes, and images without."""
    if rate is None:
        return
    for split in dict.fromkeys(("val", judged)):
        boxed = sum(bool(data.texts.get(image, "").strip()) for image in data.images[split])
        if not boxed or (rate.per == "image" and boxed == len(data.images[split])):
            yield (
                f"{split}: must have images with boxes and images without, on which objective.metric=miss_rate is "
                f"measured per image, but {boxed} of {len(data.images[split])} have boxes; add images of good parts, "
                "or --set objective.at.per=box"
            )


def values_of(part: RangeSpec | ChoiceSpec) -> list[ParamValue]:
    """Return the choices of a parameter, or the ends of its range."""
    if isinstance(part, ChoiceSpec):
        return list(part.choices)
    return [int(end) if part.type == "int" else end for end in (part.low, part.high)]


def summary_of(data: DataSet) -> Summary | None:
    """Return the summary of the training split."""
    return summary.summarise(
        data.images["train"], classes=len(data.names), fingerprint=data.fingerprint, keypoints=data.keypoints
    )


def summary_at(source: str) -> Summary | None:
    """Return a summary of the training split of a user's data set, or of the sample."""
    with scratch.folder() as folder:
        given = sample.draw(folder) if source == SAMPLE else Path(source).absolute()
        path, raw = archive.described(given, unpacked=folder / UNPACKED)
        return summary_of(check.check(path, raw, splits=("train",)))
