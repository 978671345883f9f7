"""`python -m modeldiff`."""

import atexit
import gc

from modeldiff.cli import main

# Python ends with a look for garbage among all that was imported: .4 CPU seconds if that is torch.
atexit.register(gc.freeze)

if __name__ == "__main__":
    main(prog_name="modeldiff")
