"""`python -m modeldiff`."""

import atexit
import gc

from modeldiff.cli import main

# As it ends, Python looks for garbage among all that was imported: .3 CPU seconds where that is torch.
atexit.register(gc.freeze)

if __name__ == "__main__":
    main(prog_name="modeldiff")
