"""`python -m stavad` is `pipeline`."""

import sys

from stavad.pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
