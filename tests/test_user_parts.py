"""A user's own part that misbehaves is named in a line, with the user's traceback and no other."""

import re
import resource
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import modeldiff
from modeldiff import dataset, transformations
from modeldiff.core.errors import UserError
from modeldiff.datamodels import custom_estimator as estimators
from modeldiff.dataset import as_float
from modeldiff.study import components
from modeldiff.study.components import Component
from modeldiff.training import Member, checkpoint, train, train_full, train_shard
from modeldiff.training.shard import load_full

PACKAGE = str(Path(modeldiff.__file__).parent)


@pytest.fixture(autouse=True)
def files_may_be_opened():
    """As before the test, for what `hoarder` does."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def told(call, name, folder):
    """The error of `call`, which is the user's: one line that names the part, nothing of ours."""
    with pytest.raises(UserError) as caught:
        call()
    error = caught.value
    line, *below = error.report().splitlines()
    assert line.startswith((f"modeldiff: {name}", f"modeldiff: cannot import {name!r}"))
    assert len(line) <= 200
    assert "\n".join(below) == error.details
    assert PACKAGE not in error.report()
    assert [p for p in folder.rglob("*") if p.is_file()] == []
    return error


def of_data(name, study, data, folder):
    part = Component(name, {})
    own = replace(study, dataset=part, plant=None)
    return lambda: dataset.prepare(own, folder / "manifest.json")


def of_training(**made):
    """Training a shard with parts in place of those of `plain`; `made` makes them of their name."""

    def prepared(name, study, data, folder):
        parts = {kind: make(name) for kind, make in made.items()}
        own = with_parts(study, **parts)
        output = folder / "shard.npy"
        return lambda: train_shard(own, "plain", data, range(20, 24), output, device="cpu")

    return prepared


def with_parts(study, **parts):
    """The study with other parts of the algorithm `plain`."""
    algorithm = replace(study.algorithms["plain"], **parts)
    return replace(study, algorithms=study.algorithms | {"plain": algorithm})


def of_transformation(name, study, data, folder):
    images = as_float(data.test.images[:3])
    return lambda: transformations.apply(Component(name, {}), images, 0.5)


def of_estimator(name, study, data, folder):
    rng = np.random.default_rng(0)
    masks, margins = rng.random((50, 20)) < 0.5, rng.normal(size=(50, 3)).astype(np.float32)
    return lambda: estimators.fit(masks, margins, name, np.arange(3), 1e-6)


def part(name):
    return Component(name, {})


def steps(name):
    return (part(name),)


def linear(_):
    return part("bad_parts:model_linear")


KINDS = {
    "data": of_data,
    "model": of_training(model=part),
    "train": of_training(train=part, model=linear),
    "preprocess": of_training(preprocess=steps),
    "augment": of_training(augment=steps),
    "transformation": of_transformation,
    "estimator": of_estimator,
}
# Of which kind the part is, the function of `bad_parts` or `bad_data`, what its line says.
RAISE = {
    "boom": r"ValueError: the file of weights is gone \(bad_parts.py, line \d+: raise ValueError",
    "leave": r"ended the program \(SystemExit: 3\); must return, or raise an error \(bad_parts",
    "too_large": r"needs more memory than there is: smaller .* \(bad_parts.py, line \d+: return",
    "hoarder": r"too many open files: close them .*\(bad_parts.py, line",
    "unprintable": r"Unprintable: no readable message \(bad_parts.py, line",
    "wordy": r"ValueError: word word .*\.\.\. \(bad_parts.py, line",
    "chained": r"KeyError: 'settings' \(bad_parts.py, line",
    "no_arguments": r"TypeError: .*no_arguments\(\) ",
}
RESULTS = [
    ("data", "none", r"returned None; must be modeldiff\.dataset\.Raw"),
    ("data", "listed", r"returned list of 3; must be modeldiff\.dataset\.Raw"),
    ("data", "too_large_tensor", r"needs more memory than there is"),
    ("data", "data_floats", r"train\): images are float64 \[30 x 1 x 8 x 8\]; must be uint8"),
    ("data", "data_flat_images", r"images are uint8 \[30 x 64\]; must be"),
    ("data", "data_tensors", r"images are .*; must be uint8 \[n"),
    (
        "data",
        "data_float_labels",
        r"labels are float64 \[30\]; must be a numpy array, int64 \[30\]",
    ),
    ("data", "data_listed_labels", r"labels are list of 30; must be a numpy array"),
    ("data", "data_few_labels", r"labels are int64 \[20\]; must be a numpy array, int64 \[30\]"),
    ("data", "data_high_labels", r"labels are 0 to 2; must be 0 to 1"),
    ("data", "data_no_images", r"images are uint8 \[0 x 1 x 8 x 8\]"),
    ("data", "data_other_size", r"test images of \[1, 9, 9\]; must be of one size"),
    ("data", "data_pairs", r"train\): is tuple of 2; must be modeldiff\.dataset\.Images"),
    ("data", "data_numbered_classes", r"classes are \(0, 1\); must be a tuple of two or more"),
    ("data", "data_same_classes", r"classes are \('a', 'a'\); must be"),
    ("data", "data_one_class", r"classes are \('a',\); must be a tuple of two or more"),
    ("data", "data_torn", r"reading its images\): OSError: image 1 is torn \(bad_data.py"),
    ("data", "data_ragged", r"image 0 is uint8 \[3 x 7 x 8\]; must be uint8 \[3, 8, 8\]"),
    ("model", "none", r"returned None; must be a torch module"),
    ("model", "listed", r"returned list of 3; must be a torch module"),
    ("model", "model_class", r"returned .*; must be a torch module"),
    ("model", "model_empty", r"a module without parameters to train"),
    ("model", "model_frozen", r"a module without parameters to train"),
    ("model", "model_lazy", r"a module with lazy layers; must be"),
    (
        "model",
        "model_double",
        r"a module whose last.weight is float64 \[10 x 64\]; must be float32",
    ),
    ("model", "model_half", r"a module whose last.weight is float16 \[10 x 64\]; must be float32"),
    ("model", "model_few_outputs", r"returned float32 \[2 x 9\]; must be float32 \[2 x 10\]"),
    ("model", "model_none_out", r"in training\): its module returned None; must be float32"),
    ("model", "model_tuple_out", r"its module returned tuple of 2; must be float32 \[2 x 10\]"),
    ("model", "model_double_out", r"its module returned float64 \[2 x 10\]; must be float32"),
    ("model", "model_half_out", r"its module returned float16 \[2 x 10\]; must be float32"),
    ("model", "model_flat_out", r"its module returned float32 \[20\]; must be"),
    ("model", "model_numpy_out", r"its module returned float32 .*; must be"),
    ("model", "model_detached", r"in training\): RuntimeError: element 0 of tensors does not"),
    (
        "model",
        "model_raises",
        r"in training\): ValueError: the file of weights is gone \(bad_parts",
    ),
    ("model", "model_raises_in_use", r"in use\): RuntimeError: no weights to infer with \(bad_p"),
    ("model", "model_raises_backward", r"in training\): RuntimeError: no gradient here \(bad_p"),
    ("model", "model_too_large", r"in training\): needs more memory than there is"),
    ("model", "model_mismatched", r"in training\): RuntimeError: mat1 and mat2 shapes cannot"),
    ("model", "model_of_two_sizes", r"model 2\d of plain\): left the module with 1.weight float32"),
    ("model", "model_hidden", r"in use\): its module depends on tensors that are neither"),
    ("train", "train_elsewhere", r"model 20 of plain\): trained and returned another module; must"),
    ("train", "train_not", r"model 20 of plain\): left the module as it was; must be the given"),
    ("train", "none", r"model 20 of plain\): left the module as it was"),
    ("train", "too_large_tensor", r"model 20 of plain\): needs more memory than there is"),
    ("train", "deep", r"model 20 of plain\): RecursionError: "),
    ("train", "train_half", r"left the module with last.weight float16 .*; must be float32 \["),
    ("train", "train_another_layer", r"last.weight float32 \[12 x 64\]; must be float32 \[10"),
    ("train", "train_renamed", r"left the module with more.weight float32 \[2 x 2\]; must be"),
    ("preprocess", "none", r"preprocess\): returned None; must be a tensor, float32 \["),
    ("preprocess", "listed", r"preprocess\): returned list of 3; must be a tensor"),
    ("preprocess", "numpy_images", r"returned float32 \[\d+ x 1 x 8 x 8\]; must be a tensor"),
    ("preprocess", "double", r"returned float64 \[.*; must be a tensor, float32"),
    ("preprocess", "half", r"returned float16 \[.*; must be a tensor, float32"),
    ("preprocess", "fewer", r"returned float32 \[\d+ x 1 x 8 x 8\]; must be a tensor, float32 \["),
    ("preprocess", "flat", r"returned float32 \[\d+ x 64\]; must be"),
    ("preprocess", "nan", r"returned values that are infinite or NaN; must be finite"),
    ("augment", "none", r"augment\): returned None; must be a tensor, float32 \["),
    ("augment", "double", r"augment\): returned float64 \["),
    ("augment", "half", r"augment\): returned float16 \["),
    ("augment", "fewer", r"augment\): returned float32 \["),
    ("transformation", "none", r"strength 0.5\): returned None; must be a numpy array, float32"),
    ("transformation", "listed", r"returned list of 3; must be a numpy array"),
    ("transformation", "double", r"returned float64 \[3 x 1 x 8 x 8\]; must be"),
    ("transformation", "half", r"returned float16 \[3 x 1 x 8 x 8\]; must be"),
    ("transformation", "fewer", r"returned float32 \[2 x 1 x 8 x 8\]; must be .*\[3 x 1 x 8 x 8"),
    ("transformation", "flat", r"returned float32 \[3 x 64\]; must be"),
    ("transformation", "nan", r"returned values from nan to nan; must be in \[0, 1\]"),
    ("transformation", "bright", r"returned values from 0 to 3; must be in \[0, 1\]"),
    ("estimator", "none", r"of 50 models\): returned None; must be weights \[3, 20\]"),
    ("estimator", "listed", r"returned list of 3; must be weights \[3, 20\]"),
    ("estimator", "estimate_one", r"returned float64 \[3 x 20\]; must be weights"),
    ("estimator", "estimate_transposed", r"returned shapes \[20, 3\] and \[3\]; must be weights"),
    ("estimator", "estimate_nan", r"returned infinite values or NaN; must be weights"),
    ("estimator", "estimate_words", r"returned str 'weights' and str 'intercept'; must be"),
]
CASES = [(kind, name, words) for kind in KINDS for name, words in RAISE.items()] + RESULTS


@pytest.mark.parametrize(("kind", "name", "words"), CASES, ids=lambda x: x[:25])
def test_a_part_that_misbehaves_is_named_in_a_line(study, data, tmp_path, kind, name, words):
    if (kind, name) == ("data", "no_arguments"):
        words = "returned None; must be"  # a source needs none
    module = "bad_data" if name.startswith("data_") else "bad_parts"
    path = f"{module}:{name}"
    error = told(KINDS[kind](path, study, data, tmp_path), path, tmp_path)
    assert re.search(words, str(error)), str(error)
    assert error.details.startswith("Traceback") or f"({module}.py" not in str(error)


IMPORTS = {
    "absent": (None, "ModuleNotFoundError: No module named 'absent'"),
    "nameless": ("other = 1", "AttributeError: module 'nameless' has no attribute 'part'"),
    "raising": ("x = {}['key']", r"KeyError: 'key' \(raising.py, line 1: x = {}\['key'\]\)"),
    "torn": ("def part(:", r"SyntaxError: invalid syntax \(torn.py, line 1\)"),
    "leaving": (
        "import sys\nsys.exit(0)",
        r"ended the program \(SystemExit: 0\).*leaving.py, line 2",
    ),
    "number": ("part = 3", "is not a function: its type is int"),
}


@pytest.mark.parametrize(("module", "text", "words"), [(k, *v) for k, v in IMPORTS.items()])
def test_a_module_that_cannot_be_imported_is_named(tmp_path, monkeypatch, module, text, words):
    monkeypatch.syspath_prepend(tmp_path)
    if text is not None:
        (tmp_path / f"{module}.py").write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        components.load(f"{module}:part")
    assert f"'{module}:part'" in str(caught.value)
    assert PACKAGE not in caught.value.report()
    assert "importlib" not in caught.value.report()


def test_the_traceback_below_the_line_is_the_users_alone(study, data, tmp_path):
    call = KINDS["model"]("bad_parts:model_raises", study, data, tmp_path)
    error = told(call, "bad_parts:model_raises", tmp_path)
    first, *frames = error.details.splitlines()
    assert first == "Traceback (most recent call last):"
    assert "bad_parts.py" in frames[0]  # torch's frames before it are of no use
    assert frames[-2:] == ["ValueError: the file", "of weights is gone"]


def test_what_it_came_from_stands_in_the_traceback(study, data, tmp_path):
    call = KINDS["data"]("bad_parts:chained", study, data, tmp_path)
    error = told(call, "bad_parts:chained", tmp_path)
    assert "direct cause of the following exception" in error.details
    assert "ValueError: the file" in error.details


def test_finished_models_are_kept_when_a_later_one_fails(study, data, tmp_path, monkeypatch):
    import bad_parts

    monkeypatch.setattr(bad_parts.train_by_hand, "calls", 0)
    path = "bad_parts:train_by_hand"
    call = KINDS["train"](path, study, data, tmp_path)
    with pytest.raises(UserError, match=r"model 22 of plain\): ValueError"):
        call()
    (kept,) = tmp_path.glob(".shard.npy.*-0.partial")
    assert len(np.load(kept)) == 2
    monkeypatch.setattr(bad_parts.train_by_hand, "calls", 10)
    call()
    assert len(np.load(tmp_path / "shard.npy")) == 4


def test_a_function_that_swallows_the_first_signal_is_stopped_by_the_next(
    study, data, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoint, "AGAIN", 0.0)
    call = KINDS["train"]("bad_parts:train_deaf", study, data, tmp_path)
    with pytest.raises(UserError, match="stopped by SIGINT; 0 finished models are kept"):
        call()


def some(study, data, n):
    return [
        Member((study.seed, "own", m), np.arange(m, 1200, 3), f"model {m} of own") for m in range(n)
    ]


def test_a_module_that_vmap_cannot_batch_is_computed_one_by_one(study, data, tmp_path, capfd):
    own = with_parts(study, model=part("bad_parts:model_recurrent"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        groups = list(train(own.algorithms["plain"], data.train, 10, some(study, data, 3), width=3))
        assert [len(g.logits(data.test.images)) for g in groups] == [1, 1, 1]
        train_full(own, "plain", data, range(2), tmp_path / "full.npz", device="cpu")
        (both,) = load_full(own, "plain", data, [tmp_path / "full.npz"], device="cpu")
        logits = both.logits(data.test.images)
    assert logits.shape == (2, 597, 10)
    alone = replace(both, state={name: tensor[1:] for name, tensor in both.state.items()})
    torch.testing.assert_close(alone.logits(data.test.images)[0], logits[1], rtol=0, atol=0)
    assert "Batching rule" not in capfd.readouterr().err


def test_a_module_that_vmap_can_batch_is_stacked_and_its_trial_leaves_no_trace(study, data):
    own = with_parts(study, model=part("bad_parts:model_linear")).algorithms["plain"]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    (stack,) = train(own, data.train, 10, some(study, data, 2), width=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert stack.batched
    assert len(stack.logits(data.test.images)) == 2


def test_a_part_that_writes_into_its_images_changes_none_of_ours(study, data):
    own = with_parts(study, preprocess=steps("bad_parts:in_place"), epochs=1).algorithms["plain"]
    (stack,) = train(own, data.train, 10, some(study, data, 1), width=1)
    images = as_float(data.test.images[:5])
    before = images.copy()
    stack.logits(images)
    np.testing.assert_array_equal(images, before)
    transformations.apply(part("bad_parts:in_place"), images, 1.0)
    np.testing.assert_array_equal(images, before)
