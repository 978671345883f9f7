"""Everything that is measured on a GPU, by one command: `benchmarks/gpu.sh`.

    python benchmarks/gpu.py run OUT MINUTES --images ARCHIVE   parts that are not done, by worth
    python benchmarks/gpu.py run OUT MINUTES --tiny             without a GPU, a thousandth of it
    python benchmarks/gpu.py tables OUT                         writes the tables of docs/gpu.md

Each part is a process of its own, ended when the time is up; its rows are saved as they come.
"""

import argparse
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from gpu_parts import PARTS, Options
from gpu_tables import TABLES
from PIL import Image
from training import ROOT, machine

from modeldiff.core import devices

PAGE = ROOT / "docs" / "gpu.md"
# Minutes that a part may take, so that one that hangs does not cost the others.
MOST = {"alike": 2, "speed": 5, "proof": 15, "sgd": 60, "regression": 60, "memory": 1}
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def stand_in(path: Path) -> None:
    """An archive of CIFAR-10's form, for runs without it: a colour for each class, and noise."""
    random = np.random.default_rng(0)
    with tarfile.open(path, "w") as archive:
        for number in range(80 * len(CLASSES)):
            label = number % len(CLASSES)
            split = "train" if number < 20 * len(CLASSES) else "test"
            pixels = random.integers(0, 128, (32, 32, 3)) + 12 * label
            encoded = io.BytesIO()
            Image.fromarray(pixels.astype(np.uint8)).save(encoded, "PNG")
            member = tarfile.TarInfo(f"{split}/{CLASSES[label]}/{number:04d}.png")
            member.size = encoded.tell()
            encoded.seek(0)
            archive.addfile(member, encoded)


def part(name: str, options: Options) -> None:
    """Run a part in this process, and save its rows as they come."""
    devices.claim(options.device == "cuda", 8 if options.device == "cuda" else 2)
    path = options.out / f"{name}.json"
    found = {"part": name, "machine": machine(), "done": False, "rows": []}
    begun = time.time()
    for row in PARTS[name](options):
        found["rows"].append(row)
        found["seconds"] = time.time() - begun
        path.write_text(json.dumps(found, indent=1))
        print(f"{name}: {json.dumps(row)}", flush=True)
    found["done"] = True
    path.write_text(json.dumps(found, indent=1))


def run(options: argparse.Namespace) -> None:
    """The parts that are not done, each in a process that ends when the time is up."""
    end = time.time() + 60 * options.minutes
    options.out.mkdir(parents=True, exist_ok=True)
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    images = options.images
    if options.tiny:
        images = work / "images.tar"
        stand_in(images)
    failed = []
    for name in options.part or PARTS:
        path = options.out / f"{name}.json"
        left = min(end - time.time(), 60 * MOST[name])
        if left < 5 or (path.exists() and json.loads(path.read_text())["done"]):
            continue
        command = [sys.executable, __file__, "part", name, options.out, work, images, str(end)]
        command += ["--tiny"] if options.tiny else []
        try:
            ended = subprocess.run(command, timeout=left).returncode
        except subprocess.TimeoutExpired:
            ended = "the time is up"
        if ended:
            failed.append(f"{name} ({ended})")
    if failed:
        sys.exit(f"not finished: {', '.join(failed)}")


def tables(out: Path, page: Path) -> None:
    """Put what was measured between the marks of the page."""
    text = page.read_text()
    for name, table in TABLES.items():
        path = out / f"{name}.json"
        if not path.exists():
            continue
        measured = json.loads(path.read_text())
        lines = [f"<!-- {name} -->", *table(measured["rows"], out), "", measured["machine"]]
        block = "\n".join([*lines, f"<!-- /{name} -->"])
        text, times = re.subn(
            rf"<!-- {name} -->.*?<!-- /{name} -->", lambda _, block=block: block, text, flags=re.S
        )
        assert times == 1, f"{page}: has no place for {name}"
    page.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    everything = commands.add_parser("run")
    everything.add_argument("out", type=Path)
    everything.add_argument("minutes", type=float)
    everything.add_argument("--images", type=Path, help="an archive of CIFAR-10; drawn if --tiny")
    everything.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "gpu-work")
    everything.add_argument("--tiny", action="store_true", help="on the CPU, on images drawn")
    everything.add_argument("--part", choices=list(PARTS), action="append", help="only these")
    one = commands.add_parser("part")
    one.add_argument("name", choices=list(PARTS))
    for name in ("out", "work", "images"):
        one.add_argument(name, type=Path)
    one.add_argument("end", type=float)
    one.add_argument("--tiny", action="store_true")
    written = commands.add_parser("tables")
    written.add_argument("out", type=Path)
    written.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    if options.command == "run":
        if not options.tiny and not torch.cuda.is_available():
            sys.exit("no GPU is visible to torch here: --tiny runs all parts on the CPU")
        run(options)
    elif options.command == "tables":
        tables(options.out, options.page)
    else:
        device = "cpu" if options.tiny else "cuda"
        images = str(options.images)
        part(
            options.name,
            Options(device, images, options.work, options.out, options.end, options.tiny),
        )


if __name__ == "__main__":
    main()
