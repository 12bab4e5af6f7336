"""What is printed around the log of a submitted study: of Ray's own lines nothing, and the exit status last."""

import sys

import pytest

from tests.launch.shell import Shell

FOLLOWED = """#!{python}
import sys
job = sys.argv[sys.argv.index("--submission-id") + 1]
how = {how!r}
said = f"Job {{job!r}} {{how}}"
print("Job submission server address: x", "", "-" * 9, f"Job {{job!r}} submitted successfully", "-" * 9, sep="\\n")
print("Tailing logs until the job exits (disable with --no-wait):")
print("the study begins", "-" * 4, "", "the study ends", sep="\\n", flush=True)
to = sys.stderr if how == "failed" else sys.stdout
print("", "-" * len(said), said, "-" * len(said), "", sep="\\n", file=to, flush=True)
if how == "failed":
    print("Status message: the log again:\\nthe study ends")
sys.exit(how == "failed")
"""


@pytest.mark.parametrize(
    ("how", "status", "last"),
    [("succeeded", 0, "exit status 0: done"), ("failed", 75, "exit status 75: the cluster was lost")],
)
def test_the_last_line_of_a_submission_is_its_exit_status_and_what_to_do_next(
    shell: Shell, address: str, how: str, status: int, last: str
) -> None:
    shell.stand_in.write_text(FOLLOWED.format(python=sys.executable, how=how))
    process = shell.start("submit.sh", RAY_AUTH_TOKEN="given", RAY_API_SERVER_ADDRESS=address)
    out, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert out == "the study begins\n----\n\nthe study ends\n"
    assert last in said.splitlines()[-1]


def test_a_submission_that_ray_refuses_is_printed_as_it_is(shell: Shell, address: str) -> None:
    shell.stand_in.write_text("#!/bin/sh\necho no such upload\nexit 2\n")
    process = shell.start("submit.sh", RAY_AUTH_TOKEN="given", RAY_API_SERVER_ADDRESS=address)
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "no such upload\n")
    assert "exit status 2: " in said.splitlines()[-1]


def test_the_exit_status_is_that_of_the_job(shell: Shell, address: str) -> None:
    shell.stand_in.write_text("#!/bin/sh\nexit 1\n")
    status, _ = shell.run("submit.sh", RAY_AUTH_TOKEN="given", RAY_API_SERVER_ADDRESS=address)
    assert status == 75
