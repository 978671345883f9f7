# Wiring only: config -> one checked study -> one file of rules per room -> what to make.
import os

from snakemake.utils import min_version

min_version("9.27")


# A --configfile replaces the embedded study; several overlay each other in their order.
if not workflow.overwrite_configfiles:

    configfile: os.path.join(workflow.basedir, "config/config.yaml")


# What `snakemake --report` opens with; profiles/default/report.yaml says why not with the graph.
report: "rules/captions/workflow.rst"


# Used with `--software-deployment-method apptainer`; envs/modeldiff.def says how to build it.
container: "envs/modeldiff.sif"


include: "rules/common.smk"
include: "rules/dataset.smk"
include: "rules/subsets.smk"
include: "rules/training.smk"
include: "rules/margins.smk"
include: "rules/datamodels.smk"
include: "rules/comparison.smk"
include: "rules/verification.smk"
include: "rules/proof.smk"
include: "rules/mining.smk"
include: "rules/occlusion.smk"
include: "rules/baselines.smk"
include: "rules/unlearning.smk"
include: "rules/report.smk"


# On a cluster these are not worth a job: they run where Snakemake runs.
localrules:
    all,
    check_data,
    dataset,
    subsets,
    margins,
    verification,
    candidates,
    proposals,
    look,
    proof,
    report,


rule all:
    default_target: True
    input:
        every("report"),
        every("summary"),
        [result(f"figures/{figure.path}") for figure in names.figures(study)],
        # Results in their own right: one that was found damaged is made again.
        every("margins"),
