# What all rules share: the study, where its results lie, what each rule depends on.
import re
import sys

from modeldiff.core.errors import UserError
from modeldiff.jobs import changes, sharding, status
from modeldiff.study import Study, inputs, limits, stages

try:
    study = Study.load(config, files=workflow.configfiles)
except UserError as error:
    sys.exit(error.report())

# What has changed since the last run and what follows, what takes long: said once, not by every job.
if workflow.is_main_process:
    for line in (*changes.lines(study), *limits.warnings(study.config)):
        print(f"modeldiff: {line}", file=sys.stderr)


# Which jobs start first where several could: those of proofs, a long chain of short jobs, then what
# leads to the comparison. All else is needed by the report alone, and fills the gaps.
PROOF_FIRST = 2
COMPARISON_NEXT = 1


wildcard_constraints:
    algorithm="|".join(map(re.escape, study.names)),
    a="|".join(map(re.escape, study.names)),
    b="|".join(map(re.escape, study.names)),
    first=r"\d+",
    stop=r"\d+",
    round=r"\d+",


# Jobs use the package of this checkout, also in a conda environment that has all but it.
shell.prefix(f"export PYTHONPATH={workflow.basedir!r}:${{{{PYTHONPATH:-}}}}; ")


# The checked study, which every command reads. It is no rule's input: what a rule depends on is
# its `key`, so that a change of the config reruns the rules it concerns and no others.
onstart:
    study.write(result(stages.STUDY))
    # Training jobs write to their logs: what they say of their progress is told here.
    status.follow(
        study.folder, lambda line: print(line, file=sys.stderr, flush=True)
    )


# What a run that failed leaves undone, and how to go on: Snakemake's own last words name a log.
onerror:
    from modeldiff.jobs import missing

    for line in missing.lines(study):
        print(f"modeldiff: {line}", file=sys.stderr, flush=True)


def result(path):
    """A file of this study."""
    return f"{study.folder}/{path}"


# What is read and written, and what results depend on, stands in modeldiff/study/stages.py alone.
# Rules ask for it by the name of their stage.


def key(name):
    """The hash of all settings a stage's result depends on: only a change of it reruns the rule."""
    stage = stages.STAGES[name]
    return lambda wc: study.key(stage.share_of or name, *whose(wc))


def reads(name):
    """All inputs of a stage, by name."""
    stage = stages.STAGES[name]
    return {given: an_input(name, given) for given in stage.inputs}


def an_input(name, given):
    """One input of a stage: its files, or a function where they depend on the wildcards or, as files
    that several jobs make parts of, on what was measured.
    """
    stage = stages.STAGES[name]
    per = {stages.MAKERS[file].per for file in stage.inputs[given]}
    fixed = stage.per == "study" and not per & {"models", "retrained"}
    if fixed or per == {"study"}:
        return paths(inputs.files(study, name, given))
    return lambda wc: paths(inputs.files(study, name, given, *whose(wc)))


def writes(name):
    """All files of a stage, by name."""
    return {file: result(stages.path(file)) for file in stages.STAGES[name].files}


def log_of(name):
    """Where a stage's jobs say what they do."""
    return result(stages.log(name))


def benchmark_of(name):
    """Where Snakemake writes what a stage's jobs took."""
    return result(stages.benchmark(name))


def whose(wildcards):
    """Whose result a job makes, or makes a part of: nobody's, an algorithm's, a pair's, a round's."""
    return [
        wildcards[name]
        for name in ("a", "b", "algorithm", "round")
        if name in wildcards.keys()
    ]


def paths(files):
    """Where `inputs.files` lie: of a file that several jobs make parts of, all parts in order."""
    found = []
    for file, *names in files:
        stage = stages.MAKERS[file]
        if stage.per in ("models", "retrained") and sharding.measured(study):
            if stage.algorithm(names) in study.trained:
                checkpoints.calibrate.get(algorithm=stage.algorithm(names))
        for job in sharding.jobs(study, stage.name, tuple(names), study.folder):
            found.append(result(stages.path(file, *job)))
    return found


def every(file):
    """A file of all that have it in this study, algorithms or pairs."""
    made = stages.MAKERS[file].of(study)
    return [result(stages.path(file, *names)) for names in made]


def width(wildcards, attempt):
    """Models trained at once. Like `gpu` it is what a job is given, not what its models depend on."""
    name = wildcards.algorithm
    return sharding.width(study, name, result(stages.path("calibration", name)))


def memory(wildcards, attempt):
    """MB, more at each retry."""
    return study.training.memory * attempt


def minutes(wildcards, attempt):
    """Time limit, more at each retry."""
    return study.training.minutes * attempt


def regression_memory(wildcards, attempt):
    """MB, more at each retry."""
    return study.datamodels.memory * attempt


def given(wildcards):
    """The files that an algorithm's scores come from."""
    return study.given(wildcards.algorithm)


def trak_gpu(wildcards):
    """GPUs that scores are computed on; a file is only read."""
    computed = study.scores[wildcards.algorithm].name == "trak"
    return study.training.gpu if computed else 0


def prior(wildcards, input):
    """The gradients that datamodels shrink towards, if the study has them."""
    return ["--gradients", input.gradients] if input.gradients else []


def given_proposals(wildcards, input):
    """The proposals whose examples are shown without their pieces, too, if there are any."""
    return ["--proposals", input.proposals] if input.proposals else []


def given_comparison(wildcards, input):
    """The comparison whose directions are proved, if they are."""
    return ["--comparison", input.comparison] if input.comparison else []
