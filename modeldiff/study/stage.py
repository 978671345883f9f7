"""What a stage of a study is; which there are stands in `stages.py`."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modeldiff.study import keys

if TYPE_CHECKING:
    from modeldiff.study.study import Study

# What there can be one job of a stage for, and how the job's log is named by it. The words in
# braces are the wildcards of the stage's rule.
PER = {
    "study": "",
    "algorithm": "{algorithm}",
    "pair": "{a}-vs-{b}",
    "models": "{algorithm}-{first}-{stop}",  # some models of an algorithm
    "targets": "{algorithm}-{part}-of-{parts}",  # a share of an algorithm's targets
    # some of an algorithm's models of a round of a pair's proofs
    "retrained": "{a}-vs-{b}-{algorithm}-{round}-{first}-{stop}",
    "side": "{a}-vs-{b}-{algorithm}",  # one of a pair's algorithms
    "look": "{a}-vs-{b}-{round}",  # all of a pair's proofs so far
}

# Whose a result is: () the study's, (algorithm,), (a, b), (a, b, round), (a, b, one of them), or
# (a, b, one of them, round).
Names = tuple[str, ...]


def _both(study: "Study", a: str, b: str) -> Names:
    return a, b


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a study: one rule of Snakemake's, one command, one key.

    name: as `Study.key` takes it.
    per: what there is one job for, a name in `PER`.
    of: the algorithms or pairs of a study that have it; `[()]` where it is the study's.
    files: what it makes. The name of each file, which no other stage uses, and its path in the
    study's folder with the wildcards of `PER`.
    inputs: what it reads. The name of each input in the stage's rule, and of which files it
    consists: all of them, or none where one of them is not made.
    algorithms: where it is of a pair, whose files it reads.
    settings: the settings that its result depends on itself.
    settings_of: files whose stages' settings it depends on, too. Those bring the settings of what
    they are made from, so that not every input stands here.
    only_if: files that are read in some studies alone, and whether in a given one.
    version: raised when it makes something else from the same settings, so that stale results
    are made again. Editing an installed package triggers nothing in Snakemake.
    share_of: the stage that its jobs do a share of; its files are made for that stage's key.
    label: the folder of its logs and benchmarks, and its name on the page; by default `name`.
    milestone: what `status` calls it, where it tells the first stage that is not done. Empty if
    `status` passes over it.
    traced: whether the page tells by what code and versions its result was made.
    """

    name: str
    per: str
    of: Callable[["Study"], Sequence[Names]]
    files: Mapping[str, str]
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    algorithms: Callable[["Study", str, str], Names] = _both
    settings: Callable[..., dict[str, Any]] = keys.nothing
    settings_of: Sequence[str] = ()
    only_if: Mapping[str, Callable[["Study"], bool]] = field(default_factory=dict)
    version: int = 1
    share_of: str = ""
    label: str = ""
    milestone: str = ""
    traced: bool = False

    @property
    def title(self) -> str:
        """The folder of its logs and benchmarks, and its name on the page."""
        return self.label or self.name

    @property
    def wildcards(self) -> list[str]:
        """Names of the wildcards of its rule."""
        return re.findall(r"{(\w+)}", PER[self.per])

    def reads(self, file: str, study: "Study") -> bool:
        """Whether a file among its inputs is read in this study."""
        return file not in self.only_if or self.only_if[file](study)

    def algorithm(self, names: Names) -> str:
        """Whose models a job trains, or makes something of; names: whose its result is."""
        return dict(zip(self.wildcards, names, strict=False))["algorithm"]

    @property
    def main(self) -> str:
        """The file that stands for its result: the one of its own name, else the only one."""
        return self.name if self.name in self.files else next(iter(self.files))


def each(names: Iterable[str]) -> list[Names]:
    """Algorithms, each for itself."""
    return [(name,) for name in names]


def sides(pairs: Iterable[Names]) -> list[Names]:
    """The algorithms of pairs, each once."""
    return each(dict.fromkeys(name for pair in pairs for name in pair))


def by_name(*files: str) -> dict[str, Sequence[str]]:
    """Inputs of one file each, which a rule calls by the file's own name."""
    return {file: (file,) for file in files}


def retrained(study: "Study") -> list[Names]:
    """Of each pair, each of its algorithms in each round."""
    found: list[Names] = []
    for a, b in study.proved:
        for name in (a, b):
            found += [(a, b, name, number) for number in study.proof.round_names]
    return found


def has_prior(study: "Study") -> bool:
    """Whether fits shrink towards what gradients say, and read it."""
    return bool(study.datamodels.prior)


def proves(study: "Study") -> bool:
    """Whether anything is to be proved by retraining."""
    return bool(study.proved)


def proposes_by_gradients(study: "Study") -> bool:
    """Whether gradients propose, and not only the comparison and the user."""
    return study.proof.proposals > 0


def proves_directions(study: "Study") -> bool:
    """Whether what the comparison finds is to be proved by retraining, too."""
    return study.proof.directions > 0
