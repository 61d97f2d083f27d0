"""The numbers that are reported together, always: AUC beside the oracle that knows only the videos' labels.

A module here holds like metrics: `METRICS`, name -> (title, function), and `PLACE` of its rows in the table. A function takes a list of scored videos
and how often each counts, (videos,) or None for once, and gives a number, or None where it is not defined; `Counted.of(list)` has what it needs, sorted.
"""

from stavad.data.registry import modules_of

METRICS = {name: metric for group in modules_of(__name__) for name, metric in group.METRICS.items()}
