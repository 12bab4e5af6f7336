"""Process of a replay's training: `python -m automl.pipeline.replay_training FOLDER`, with a job file in the folder."""

import signal
import sys
from pathlib import Path

from automl.storage import files, job_file
from automl.storage.layout import OUTCOME
from automl.trials import worker


def main(folder: Path) -> None:
    """Train the job of a folder to its end, and write how it ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # an exit deletes temporary folders
    ending = worker.run(job_file.read(folder), lambda _measurement: None)
    files.write_json(folder / OUTCOME, {"text": ending.text})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
