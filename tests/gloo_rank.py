"""One of the ranks that `two_ranks.py` has torch elastic start: meets the others over and over, and says so."""

import os
import sys
import time
from pathlib import Path

import torch
from torch import distributed

if __name__ == "__main__":
    distributed.init_process_group("gloo")
    while True:
        met = torch.ones(1)
        distributed.all_reduce(met)
        Path(sys.argv[1], f"rank-{os.getpid()}").write_text(f"{os.getsid(0)} {int(met.item())}")
        time.sleep(0.1)
