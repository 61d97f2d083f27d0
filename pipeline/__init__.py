"""The command line: extract, train, evaluate."""
