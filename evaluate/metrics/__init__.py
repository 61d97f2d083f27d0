"""The numbers that are reported together, always: AUC beside the oracle that knows only the videos' labels.

A module here holds like metrics: `METRICS`, name -> (title, function of a list of scored videos; None where it is not defined), and
`PLACE` of its rows in the table.
"""

from stavad.data.registry import modules_of

METRICS = {name: metric for group in modules_of(__name__) for name, metric in group.METRICS.items()}
