"""The tables of docs/gpu.md, from the rows that `gpu_parts.py` measured."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paper_sgd
from gpu_parts import PAPER_SIZE, expected

Rows = list[dict[str, Any]]
GOALS = {"resnet9": 3.5, "airbench": 1.0}  # seconds per model


def alike(rows: Rows, out: Path) -> list[str]:
    lines = ["| room | array | largest difference from the CPU, relative |", "|---|---|---|"]
    for row in rows:
        lines.append(f"| {row['room']} | {row['what']} | {row['difference']:.1e} |")
    return lines


def speed(rows: Rows, out: Path) -> list[str]:
    lines = [
        "| recipe | steps recorded | compiled | s per model | of these predicting | goal "
        "| of the floor | first model, s | accuracy |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        how = f"| {row['recipe']} | {yes(row['recorded'])} | {yes(row['compiled'])}"
        if "failed" in row:
            lines.append(f"{how} | failed: {row['failed']} | | | | | |")
            continue
        seconds = row["seconds"][1:]
        middle = statistics.median(seconds)
        share = row["operations"] / row["rate"] / middle
        accuracy = statistics.mean(row["accuracy"])
        spread = f"{middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
        lines.append(
            f"{how} | {spread} "
            f"| {statistics.median(row['predicting'][1:]):.2f} | {GOALS[row['recipe']]} "
            f"| {share:.0%} | {row['seconds'][0]:.0f} | {accuracy:.2%} |"
        )
    rates = sorted({f"{row['rate'] / 1e12:.3g} TFLOP/s" for row in rows})
    models = len(rows[0]["seconds"]) - 1
    lines += [
        "",
        f"{models} models a row, after the first. bfloat16 products: {' and '.join(rates)}.",
    ]
    return lines


def yes(value: bool) -> str:
    return "yes" if value else "no"


def proof(rows: Rows, out: Path) -> list[str]:
    lines = ["| | training, s | gradients, s | retraining, s |", "|---|---|---|---|"]
    for name in dict.fromkeys(row["algorithm"] for row in rows if "algorithm" in row):
        cells = [name.replace("_", " ")]
        for what in ("training", "gradients", "retraining"):
            taken = [row[what] for row in rows if row.get("algorithm") == name and what in row]
            cells.append(f"{taken[0]:.1f}" if taken else "-")
        lines.append(f"| {' | '.join(cells)} |")
    proofs = [one for row in rows for one in row.get("proofs", [])]
    lines += ["", "| proposal | low noise | high noise | p, corrected | verdict |"]
    lines += ["|---|---|---|---|---|"]
    for one in proofs:
        effects = []
        for side in "ab":
            bounds = f"[{one[f'{side}_low']:.1f}, {one[f'{side}_high']:.1f}]"
            effects.append(f"{one[side]:+.1f} {bounds}")
        lines.append(
            f"| {one['source']}, {one['proposal']} | {' | '.join(effects)} "
            f"| {one['adjusted']:.1e} | {one['verdict']} |"
        )
    return lines


def sgd(rows: Rows, out: Path) -> list[str]:
    arrays = np.load(out / "sgd.npz")
    study = paper_sgd.Study.read(paper_sgd.PAGE.parents[1] / "config" / "cifar10-sgd.yaml")
    moved = {}
    for name in paper_sgd.SETTINGS:
        moved[name] = {patch: arrays[f"{name}.{patch}"] for patch in paper_sgd.PAPER}
    found = paper_sgd.rows(study, moved)
    models = [row for row in rows if "model" in row]
    seconds = []
    for name in paper_sgd.SETTINGS:
        own = [row[name] for row in models[1:] if name in row]
        if own:
            seconds.append(f"{name.replace('_', ' ')} {statistics.median(own):.1f} s")
    images = next(iter(moved["low_noise"].values())).shape[3]
    return [
        *paper_sgd.effects(found).splitlines(),
        "",
        *paper_sgd.order(found).splitlines(),
        "",
        f"{len(models)} models of each setting, {images:,} test images. "
        f"A model takes: {', '.join(seconds) or 'not measured'}.",
    ]


def regression(rows: Rows, out: Path) -> list[str]:
    lines = [
        "| examples x models x targets | seconds | X'X | fit | of the floor | worst gap, sampled "
        "and stated | GPU memory, GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        sums, fit = row["seconds"]["X'X"], row["seconds"]["fit"]
        gaps = f"{row['gap']:.1e}, {row['stated_gap']:.1e}"
        memory = f"{row['gib']:.1f}" if row["gib"] else "-"
        lines.append(
            f"| {spelled(row['size'])} | {sums + fit:.1f} | {sums:.1f} | {fit:.1f} "
            f"| {row['floor'] / (sums + fit):.0%} | {gaps} | {memory} |"
        )
    largest = rows[-1]
    if tuple(largest["size"]) != PAPER_SIZE:
        minutes = expected(PAPER_SIZE, largest) / 60
        lines.append(
            f"| {spelled(PAPER_SIZE)} | not run; {minutes:.0f} minutes are expected | | | | | |"
        )
    return lines


def spelled(size: Sequence[int]) -> str:
    return " x ".join(f"{n:,}" for n in size)


def memory(rows: Rows, out: Path) -> list[str]:
    lines = ["| memory | models at once: groups | largest difference of margins |", "|---|---|---|"]
    for row in rows:
        groups = ", ".join(f"{size}: {count}" for size, count in row["trained_at_once"].items())
        lines.append(f"| {row['memory']} | {groups} | {row['difference']:.1e} |")
    return lines


TABLES = {table.__name__: table for table in (alike, speed, proof, sgd, regression, memory)}
