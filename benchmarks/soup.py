"""Does a greedy average of fine-tuned weights beat the best of them? Judged on test; chosen on val.

Models of one start (re-trainings of the same params with other seeds, or trials) are ranked on val. From the best one
on, each further one is added to the average if the average, with the statistics of its batch normalisation estimated
again on train, is not worse on val (Wortsman et al. 2022, "Model soups", arXiv:2203.05482). The result is compared on
test with the model that is the best on val, by a paired bootstrap over images.

    python benchmarks/soup.py --job STORAGE/runs/NAME/trials/0000_... --data DATA.yaml --weights A.pt B.pt C.pt
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from automl.hpo import bootstrap
from automl.storage import job_file
from automl.storage.detections import ImageStats
from automl.study import Job
from automl.trainers import trainer_of

OBJECTIVE: Final = "map50_95"
ESTIMATED_ON: Final = 64
"""Images of train on which batch normalisation is estimated again."""
BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Judged:
    """A model and its objective on val."""

    weights: Path
    on_val: float


def main() -> None:
    """Rank, average, judge; one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", type=Path, required=True, help="folder of a trial, with its params.yaml")
    parser.add_argument("--data", type=Path, required=True, help="data.yaml with train, val and test")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="weights that share their start")
    given = parser.parse_args()
    job = replace(job_file.read(given.job), data=str(given.data), folder=given.job)
    with tempfile.TemporaryDirectory() as place:
        found = compared(given.weights, job, Path(place))
    print(json.dumps(found))


def compared(weights: list[Path], job: Job, place: Path) -> dict[str, Any]:
    """Return the scores of the soup and of the best single model, and their difference on test."""
    ranked = sorted((Judged(one, measured(one, job, place, "val")[0]) for one in weights), key=lambda one: -one.on_val)
    for one in ranked:
        print(f"{one.weights}: {one.on_val:.4f} on val")
    used, soup = [ranked[0].weights], ranked[0]
    for one in ranked[1:]:
        mixed = averaged([*used, one.weights], job, place / f"soup{len(used)}-{ranked.index(one)}.pt")
        tried = Judged(mixed, measured(mixed, job, place, "val")[0])
        taken = tried.on_val >= soup.on_val
        print(
            f"average of {len(used) + 1}, with {one.weights}: {tried.on_val:.4f} on val, {'taken' if taken else 'left'}"
        )
        if taken:
            used, soup = [*used, one.weights], tried
    plain = averaged(weights, job, place / "all.pt")
    kept = averaged(weights, job, place / "kept.pt", again=False)
    scores = {name: measured(path, job, place, "test") for name, path in
              (("best", ranked[0].weights), ("greedy", soup.weights), ("all", plain), ("all_kept", kept))}  # fmt: skip
    return {
        "models": len(weights), "in_soup": len(used), "images": scores["best"][1].images,
        "best_val": round(ranked[0].on_val, 4), "greedy_val": round(soup.on_val, 4),
        "all_val": round(measured(plain, job, place, "val")[0], 4),
        "mean_test": round(float(np.mean([measured(one, job, place, "test")[0] for one in weights])), 4),
        **{f"{name}_test": round(score, 4) for name, (score, _) in scores.items()},
        **{f"{name}_over_best": over(scores[name][1], scores["best"][1]) for name in ("greedy", "all", "all_kept")},
    }  # fmt: skip


def over(ours: ImageStats, theirs: ImageStats) -> list[float]:
    """Return the difference with its interval, by a paired bootstrap over images."""
    found = bootstrap.paired_difference(ours, [theirs], objective=OBJECTIVE, plan=bootstrap.Resampling())
    return [round(value, 4) for value in (found.value, found.low, found.high)]


def measured(weights: Path, job: Job, place: Path, split: str) -> tuple[float, ImageStats]:
    """Return the objective and the detections of weights on a split; validation writes beside a copy."""
    copied = place / f"{abs(hash((str(weights), split)))}.pt"
    copied.write_bytes(weights.read_bytes())
    metrics, stats = trainer_of(job).judge(copied, replace(job, split=split), split=split)
    return metrics[f"{split}/{OBJECTIVE}"], stats


def averaged(weights: list[Path], job: Job, target: Path, *, again: bool = True) -> Path:
    """Write the mean of weights, with batch normalisation estimated again on train, or averaged; return the file."""
    loaded = [torch.load(path, map_location="cpu", weights_only=False) for path in weights]
    models = [(one.get("ema") or one["model"]).float() for one in loaded]  # as Ultralytics reads a checkpoint
    states = [model.state_dict() for model in models]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    model = models[0]
    model.load_state_dict(mean)
    if again:
        estimate_again(model, job)
    torch.save({**loaded[0], "model": model.half(), "ema": None}, target)
    return target


def estimate_again(model: torch.nn.Module, job: Job) -> None:
    """Estimate the means and variances of batch normalisation on images of train, in place."""
    images = sorted(path for path in (Path(job.data).parent / "images" / "train").rglob("*") if path.is_file())
    drawn = np.random.default_rng(0).permutation(len(images))[:ESTIMATED_ON]
    pictures = torch.from_numpy(trainer_of(job).letterboxed([images[index] for index in sorted(drawn)], job))
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    kept = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
        layer.train()
    with torch.no_grad():
        for first in range(0, len(pictures), BATCH):
            model(pictures[first : first + BATCH])
    for layer, momentum in zip(layers, kept, strict=True):
        layer.momentum = momentum
    model.eval()


if __name__ == "__main__":
    main()
