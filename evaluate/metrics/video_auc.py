"""Area under the ROC curve over whole videos."""

from stavad.evaluate.counted import Counted

PLACE = 5


def video_auc(scored, times=None):
    """AUC over videos, each by its highest frame."""
    counted = Counted.of(scored)
    return counted.videos.auc(counted.times(times)) if counted else None


METRICS = {"video_auc": ("video AUC by maximum score", video_auc)}
