"""The commands. Each is a module here, thin: flags to a function of a stage, and its result to lines.

A module has `NAME`, `HELP`, `PART` and `PLACE` (where the help lists it), `GROUPS` (of settings, whose values `run` gets in that order),
`EXAMPLES`, `arguments(parser)` where it takes what is no setting, and `run(flags, *groups)`, which returns the exit code.
"""

SOME_LEFT_OUT = 3  # exit code: the rest is done
