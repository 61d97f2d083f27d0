"""Area under the precision-recall curve over frames, by the two definitions in use."""

from sklearn.metrics import auc as area
from sklearn.metrics import average_precision_score, precision_recall_curve

from stavad.evaluate.score import frames_of

PLACE = 2


def average_precision(scored):
    """Mean of the precision over the recall, in steps."""
    frames = frames_of(scored)
    return float(average_precision_score(*frames[:2], sample_weight=frames[2])) if frames else None


def average_precision_trapezoid(scored):
    """Area under straight lines between the points of the precision-recall curve, as much of the field computes it."""
    frames = frames_of(scored)
    if not frames:
        return None
    precision, recall, _ = precision_recall_curve(*frames[:2], sample_weight=frames[2])
    return float(area(recall, precision))


METRICS = {
    "ap": ("average precision", average_precision),
    "ap_trapezoid": ("average precision, trapezoids under the curve", average_precision_trapezoid),
}
