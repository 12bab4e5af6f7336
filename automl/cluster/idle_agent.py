"""A process in the place of an agent of a raylet: it announces that it serves nothing and ends with the raylet.

Run as a script, without imports of Ray: `python -I -S idle_agent.py FILE...`. A raylet of Ray 2.60 starts two agents,
waits until each has written its ports to files, and ends when an agent ends. An agent learns that its raylet ended
from the end of its standard input.
"""

import os
import sys

NONE = "-1"
"""What an agent without a server writes in place of a port."""


def main(files: list[str]) -> None:
    """Write the files of the ports, each at once, and wait for the end of the raylet."""
    for file in files:
        with open(f"{file}.part", "w", encoding="ascii") as part:  # noqa: PTH123  (pathlib takes most of the start)
            part.write(NONE)
        os.replace(f"{file}.part", file)  # noqa: PTH105
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
