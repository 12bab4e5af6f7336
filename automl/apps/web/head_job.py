"""Job of a study on a cluster, in a process of its own: submit it, or find the one that runs, and follow its log.

Arguments: address of the job API, name of the study, then the words of an `automl` command whose paths are in a storage
that all nodes mount. The page itself does not import Ray.
"""

import sys
from collections.abc import Sequence
from typing import Final

from automl.apps import job_request
from automl.study.errors import AutomlError
from automl.study.text import lines, shell_line

PROGRAM: Final = "import sys; from automl.apps.cli import app; app(sys.argv[1:], prog_name='automl')"
"""Runs on a node, with the checkout that was uploaded, else with what is installed there."""
USER_ERROR: Final = 2


def command_of(words: Sequence[str]) -> str:
    """Return the command of the job that does what `automl WORDS` does."""
    return shell_line("python", "-c", PROGRAM, *words)


def run() -> None:
    """Run this process.

    Raises:
        SystemExit: the exit status of the job; 2 with a message for a mistake.
    """
    address, study, *words = sys.argv[1:]
    try:
        status = _followed(address, study, words)
    except AutomlError as error:
        print(f"automl: {lines(*error.args)}", flush=True)  # noqa: T201
        status = USER_ERROR
    raise SystemExit(status)


def _followed(address: str, study: str, words: Sequence[str]) -> int:
    job_request.use_token()
    from automl.cluster import jobs, upload  # noqa: PLC0415  (Ray)

    sent = upload.measured(job_request.working_directory(None))
    sent.refuse_oversize()
    storage = words[words.index("--storage") + 1]
    head = jobs.Jobs(address)
    request = jobs.Request(study, storage, "", command_of(words), sent)
    job, new = head.submit(request, {"AUTOML_STORAGE": storage})
    print(f"job {job} at {head.address}: {'submitted' if new else 'runs this study already'}", flush=True)  # noqa: T201
    status = head.follow(job, lambda text: print(text, end="", flush=True))  # noqa: T201
    print(f"job {job}: exit status {status}: {job_request.next_step(status)}", flush=True)  # noqa: T201
    return status
