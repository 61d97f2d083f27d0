"""`python -m tests.tiny` is `pipeline` with the preset of the tests. A file of its own, which decoding processes do not import again."""

import sys

import tests.tiny  # noqa: F401
from stavad.pipeline.cli import main

sys.exit(main())
