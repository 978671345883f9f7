"""Data sets of a user's own that cannot be, by import path, for the tests."""

import numpy as np
import torch

from modeldiff.dataset import Images, Raw
from modeldiff.dataset.pictures import Pictures
from modeldiff.dataset.raw import LazyImages


def _split(n=30, labels=None, images=None):
    pixels = np.zeros((n, 1, 8, 8), np.uint8) if images is None else images
    return Images(pixels, np.arange(n) % 2 if labels is None else labels)


def _raw(train=None, test=None, classes=("a", "b")):
    return Raw(train or _split(), test or _split(), classes)


def data_floats():
    return _raw(_split(images=np.zeros((30, 1, 8, 8))))


def data_flat_images():
    return _raw(_split(images=np.zeros((30, 64), np.uint8)))


def data_tensors():
    return _raw(_split(images=torch.zeros(30, 1, 8, 8, dtype=torch.uint8)))


def data_float_labels():
    return _raw(_split(labels=np.zeros(30)))


def data_listed_labels():
    return _raw(_split(labels=[0, 1] * 15))


def data_few_labels():
    return _raw(_split(labels=np.arange(20) % 2))


def data_high_labels():
    return _raw(_split(labels=np.arange(30) % 3))


def data_no_images():
    return _raw(_split(0))


def data_other_size():
    return _raw(test=_split(images=np.zeros((30, 1, 9, 9), np.uint8)))


def data_pairs():
    return Raw((np.zeros((30, 1, 8, 8), np.uint8), np.arange(30) % 2), _split(), ("a", "b"))


def data_numbered_classes():
    return _raw(classes=(0, 1))


def data_same_classes():
    return _raw(classes=("a", "a"))


def data_one_class():
    return _raw(_split(labels=np.zeros(30, int)), _split(labels=np.zeros(30, int)), ("a",))


class Torn(Pictures):
    def placed(self):
        yield 0, np.zeros((3, 8, 8), np.uint8)
        raise OSError("image 1 is torn")


class Ragged(Pictures):
    def placed(self):
        yield 0, np.zeros((3, 7, 8), np.uint8)


def _unread(kind):
    names = [str(i) for i in range(120)]
    labels = np.arange(120) % 10
    train = Images(np.zeros((120, 3, 8, 8), np.uint8), labels)
    return Raw(train, LazyImages(kind(names, None, 8, None), labels), tuple("0123456789"))


def data_torn():
    return _unread(Torn)


def data_ragged():
    return _unread(Ragged)
