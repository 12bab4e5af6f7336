"""A study from Python: search, print the best trial and the verdict. The same call again continues or returns it."""

from pathlib import Path

import automl

study = automl.search(Path(__file__).with_name("first_study.yaml"))

best = study.best_trial
print("best trial:", best and {name: best[name] for name in ("number", "state", "value", "params_lr0")})

verdict = study.verdict
if verdict and verdict.shipped:
    print("ships:", verdict.shipped.name, verdict.objective, verdict.shipped.score.text())
    print("promoted:", verdict.accepted, "as version", verdict.version)
