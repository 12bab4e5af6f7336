"""A process that is asked to stop goes, whatever it waits for; one that has stopped in time is left alone."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from automl.cluster.exit import STOPPED, bounded

pytestmark = pytest.mark.slow
DEAF = """
import signal, time
from automl.cluster.exit import bounded
signal.signal(signal.SIGTERM, lambda *_: None)
with bounded(1.0):
    print("ready", flush=True)
    while True:
        time.sleep(60)
"""


def test_a_process_that_does_not_stop_when_asked_goes_after_its_time() -> None:
    process = subprocess.Popen([sys.executable, "-c", DEAF], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"

    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, said = process.communicate(timeout=300)

    assert process.returncode == STOPPED
    assert time.monotonic() - began > 0.9
    assert said == "automl: stopped: no answer from Ray for 1 s; nothing is lost\n"


def test_a_block_that_ends_in_time_is_not_followed() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        threads = threading.enumerate()
        with bounded(600.0):
            signal.raise_signal(signal.SIGTERM)
        assert threading.enumerate() == threads, "nobody is left who would end this process"
    finally:
        signal.signal(signal.SIGTERM, before)


NOTICED = """
import os, time
from automl.cluster import exit
exit.NOTICE_SECONDS = 2.0
with exit.noticed(lambda text, code: time.sleep(600)), exit.noticed(lambda text, code: print(text, code, flush=True)):
    exit.exit_with("the cluster is lost", 75, to=2)
"""


def test_a_process_that_exits_at_once_says_so_and_waits_for_no_notice_for_long() -> None:
    done = subprocess.run([sys.executable, "-c", NOTICED], text=True, capture_output=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (
        75, "the cluster is lost 75\n", "automl: the cluster is lost\n",
    )  # fmt: skip
