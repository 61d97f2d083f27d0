"""Area under the ROC curve over frames, and what the labels of the videos alone give."""

from sklearn.metrics import roc_auc_score

from stavad.evaluate.score import frames_of

PLACE = 1


def _auc(frames) -> float | None:
    return float(roc_auc_score(*frames[:2], sample_weight=frames[2])) if frames else None


def auc(scored):
    """Area under the ROC curve over all frames of all videos."""
    return _auc(frames_of(scored))


def auc_abnormal(scored):
    """The same over the abnormal videos alone, which the video's label does not help with."""
    return _auc(frames_of([s for s in scored if s.video.label == 1]))


def oracle_auc(scored):
    """What a scorer reaches that gives every frame its video's label."""
    return _auc(frames_of(scored, lambda s: s.video.label == 1))


METRICS = {
    "auc": ("frame AUC", auc),
    "auc_abnormal": ("frame AUC, abnormal videos only", auc_abnormal),
    "oracle_auc": ("frame AUC of an oracle that knows only the video labels", oracle_auc),
}
