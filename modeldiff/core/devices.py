"""What a job may compute on: its own GPU, and no more CPU threads than it was given."""

import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from modeldiff.core.errors import UserError

LIBRARIES = ("OMP", "OPENBLAS", "MKL")
LOOK = 1.0  # seconds between two searches for a free GPU

_held: list[IO[str]] = []  # leases last as long as the process; the kernel then releases them


def claim(gpu: int, threads: int) -> str:
    """The torch device of a job that was given `gpu` GPUs and `threads` CPU threads.

    Of the visible GPUs (CUDA_VISIBLE_DEVICES) the process takes one that no other job holds, and
    waits if there is none. A single GPU that Slurm has bound to the job is the job's.
    """
    import torch

    torch.set_num_threads(threads)
    limit_threads(threads)
    if not gpu:
        return "cpu"
    if not torch.cuda.is_available():
        raise UserError("--gpu: no GPU is visible to torch here; set `training: {gpu: 0}`")
    torch.backends.cudnn.deterministic = True  # the same shard, the same bytes
    count = torch.cuda.device_count()
    if count > 1 or "SLURM_JOB_ID" not in os.environ:
        # By UUID: a job that sees GPUs 2 and 3 only calls them 0 and 1.
        names = [str(torch.cuda.get_device_properties(i).uuid) for i in range(count)]
        folder = Path(tempfile.gettempdir()) / f"modeldiff-gpus-{os.getuid()}"
        torch.cuda.set_device(lease(names, folder))
    return "cuda"


def limit_threads(threads: int) -> None:
    """At most so many threads for NumPy's products, which would take every core. No torch.

    By threadpoolctl where the library is loaded, by the environment where it comes later (SciPy's
    own copy).
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    os.environ |= {f"{library}_NUM_THREADS": str(threads) for library in LIBRARIES}


def lease(names: Sequence[str], folder: Path) -> int:
    """Take one of the devices `names` until this process ends, however it ends; returns its index.

    folder: holds a file per device, locked (flock) by the process that holds the device; the
    kernel unlocks the files of a process that was killed. Waits until a device is free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting = False
    while True:
        for i, name in enumerate(names):
            file = open(folder / name, "a")  # noqa: SIM115 - stays open: closing would unlock it
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _held.append(file)
            return i
        if not waiting:
            print(f"modeldiff: all {len(names)} GPUs are in use: waiting for one", file=sys.stderr)
        waiting = True
        time.sleep(LOOK)
