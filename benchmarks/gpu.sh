#!/usr/bin/env bash
# Fills the tables of docs/gpu.md on a bare machine with a GPU, from which no network is reached.
#
#   benchmarks/gpu.sh fetch cifar10.tar.xz   elsewhere: what is carried to it, into .gpu/
#   benchmarks/gpu.sh run OUT MINUTES        there: the parts by worth; run again, it goes on
#   python benchmarks/gpu.py tables OUT      elsewhere: the tables, into docs/gpu.md
#
# The machine has Linux, Python 3.12 and the packages below; what else the package imports is carried
# as wheels. The archive holds train/<class>/* and test/<class>/*.
set -eu
cd "$(dirname "$0")/.."
# There: attrs click jinja2 matplotlib numba numpy pandas pillow pytest pyyaml scikit-learn scipy
# threadpoolctl torch torchvision tqdm typing-extensions
CARRIED="jsonschema jsonschema-specifications referencing rpds-py"
MOST=60 # MiB, wheels and images

case "${1:-}" in
fetch)
    mkdir -p .gpu/wheels
    rm -f .gpu/wheels/*.whl
    # shellcheck disable=SC2086
    "${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: \
        --python-version 3.12 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 -c constraints.txt -d .gpu/wheels $CARRIED
    cp "$2" .gpu/images.tar.xz
    size=$(du -sm .gpu | cut -f1)
    echo ".gpu: $size MiB"
    [ "$size" -le "$MOST" ] || { echo "more than $MOST MiB"; exit 1; }
    ;;
run)
    site=$(mktemp -d)
    python3 -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
        --disable-pip-version-check --target "$site" .gpu/wheels/*.whl
    export PYTHONPATH="$PWD:$site" PYTHONUNBUFFERED=1
    shift
    exec python3 benchmarks/gpu.py run "$@" --images .gpu/images.tar.xz
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 1
    ;;
esac
