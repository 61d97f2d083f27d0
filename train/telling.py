"""What cross-fitting tells the user: what the model is worth, and two warnings."""

from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest

from stavad.data.bags import segment_bounds
from stavad.train.crossfit import CrossFit

RISING = 0.01  # of AUC from one look to the last that is worth a line
SURE = 0.01  # p below which places are said to be lost


def ends(found: CrossFit) -> tuple[float, int, float, float]:
    """How many of the held-out abnormal videos have their highest score in the first or last of their distinct segments.

    Returns:
        That number (ties shared), the number of videos, the number by chance, and the p-value of a binomial test.
    """
    at_ends, chance, videos = 0.0, 0.0, 0
    for place, one in enumerate(found.videos):
        scores = found.clips(place)
        if one.video.label != 1 or one.bag.clips < 3:
            continue
        clip = np.minimum(
            segment_bounds(one.bag.clips, len(scores))[:-1], one.bag.clips - 1
        )  # that a segment begins at: repeated ones are one
        highest = np.unique(clip[scores == scores.max()])
        at_ends += np.isin(highest, (clip[0], clip[-1])).mean()
        chance += 2 / len(np.unique(clip))
        videos += 1
    if not videos:
        return 0.0, 0, 0.0, 1.0
    p = binomtest(int(at_ends), videos, chance / videos, alternative="greater").pvalue
    return at_ends, videos, chance, float(p)


def tell(found: CrossFit, note: Callable[[str], None]) -> None:
    """The estimate, and the two warnings."""
    here, last = found.chosen, len(found.looks) - 1
    words = [f"video AUC {found.held_out[here]:.3f}{_interval(found, 'held_out')}"]
    if np.isfinite(found.planted[here]):
        control = f", of planted normal ones {found.control[here]:.3f}" if np.isfinite(found.control[here]) else ""
        words.append(f"AUC of planted events {found.planted[here]:.3f}{_interval(found, 'planted')}{control}")
    note(
        f"on training videos that the model had not seen, after {found.steps} steps, the best of {len(found.looks)} numbers that were looked at: {'; '.join(words)}"
    )
    behind = np.mean([getattr(found, name)[here] - getattr(found, name)[last] for name in ("held_out", "planted") if np.isfinite(found.planted[here]) or name == "held_out"])  # fmt: skip
    of_planted = (
        f", that of planted events from {found.planted[here]:.3f} to {found.planted[last]:.3f}"
        if np.isfinite(found.planted[here])
        else ""
    )
    if here < last and behind > max(found.uncertain, RISING) and found.trained[last] > found.trained[here]:
        note(
            f"note: further training loses what it had learnt: {found.steps} of {found.looks[-1]} steps are kept, from there to the end video AUC "
            f"goes from {found.held_out[here]:.3f} to {found.held_out[last]:.3f} on videos held out{of_planted}, and "
            f"video AUC from {found.trained[here]:.3f} to {found.trained[last]:.3f} on those trained on"
        )
    if here == last > 0 and found.held_out[last] - found.held_out[last - 1] > RISING:
        note(
            f"note: on videos held out video AUC was still rising, {found.held_out[last - 1]:.3f} to {found.held_out[last]:.3f}: more --steps may gain"
        )
    at_ends, videos, chance, p = ends(found)
    if p < SURE:
        note(
            f"note: places are lost: {at_ends:.0f} of {videos} held-out abnormal videos have their highest score at the beginning or the end, "
            f"by chance {chance:.0f} would (p = {p:.1g}); do not rely on the moments of this model"
        )


def _interval(found: CrossFit, name: str) -> str:
    low, high = found.spread.get(name, (np.nan, np.nan))
    return f" [{low:.3f}, {high:.3f}]" if np.isfinite(low) else ""
