"""Drivers forked from a process that has imported what they need: for tests that prove no start of a process."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

START_SECONDS = 600


def started(drive: Callable[[Path, Connection], None], folder: Path) -> BaseProcess:
    """Fork a driver that works in a folder, and wait until it has said that its work begins."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([drive.__module__, "pytest"])
    told, begins = context.Pipe(duplex=False)
    driver = context.Process(target=drive, args=(folder, begins))
    driver.start()
    begins.close()
    with told:
        assert told.poll(START_SECONDS), f"the driver never began: {driver.exitcode}"
        assert told.recv()
    return driver
