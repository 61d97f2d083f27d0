"""Area under the ROC curve over frames, and what the labels of the videos alone give."""

import numpy as np

from stavad.evaluate.counted import Counted

PLACE = 1


def auc(scored, times=None):
    """Area under the ROC curve over all frames of all videos; ties count half."""
    counted = Counted.of(scored)
    return counted.frames and counted.frames.auc(counted.times(times))


def auc_abnormal(scored, times=None):
    """The same over the abnormal videos alone, which the video's label does not help with."""
    counted = Counted.of(scored)
    return counted.abnormal_frames and counted.abnormal_frames.auc(counted.times(times))


def auc_within(scored, times=None):
    """The same within each abnormal video by itself, the mean over them: a long video counts no more than a short one."""
    counted = Counted.of(scored)
    if counted.within is None:
        return None
    weights = counted.times(times) * np.isfinite(counted.within)
    return float(weights @ np.nan_to_num(counted.within) / weights.sum()) if weights.any() else None


def oracle_auc(scored, times=None):
    """What a scorer reaches that gives every frame its video's label."""
    counted = Counted.of(scored)
    return counted.oracle and counted.oracle.auc(counted.times(times))


METRICS = {
    "auc": ("frame AUC", auc),
    "auc_abnormal": ("frame AUC, abnormal videos only", auc_abnormal),
    "auc_within": ("frame AUC within each abnormal video, mean over videos", auc_within),
    "oracle_auc": ("frame AUC of an oracle that knows only the video labels", oracle_auc),
}
