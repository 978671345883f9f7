"""`python -m modeldiff`."""

from modeldiff.cli import main

if __name__ == "__main__":
    main(prog_name="modeldiff")
