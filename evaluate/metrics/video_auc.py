"""Area under the ROC curve over whole videos."""

import numpy as np
from sklearn.metrics import roc_auc_score

PLACE = 5


def video_auc(scored):
    """AUC over videos, each by its highest frame."""
    known = [s for s in scored if s.video.label is not None]
    labels = np.array([s.video.label for s in known], bool)
    if not known or labels.all() or not labels.any():
        return None
    return float(roc_auc_score(labels, [s.scores.max() for s in known]))


METRICS = {"video_auc": ("video AUC by maximum score", video_auc)}
