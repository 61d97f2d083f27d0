"""Places judged without frame labels: a held-out abnormal video is planted into a held-out normal one, and the scores have to find it.

Not every planted segment shows the event, so the AUC's height means little; it tells apart what keeps places and what does not, which a video
AUC cannot see. A normal video planted in the same way is the control: what finds it finds a change of scene.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from stavad.data.bags import to_segments

SHARE = 4  # a bag's segments for one that is planted
TIMES = 2  # normal videos that each abnormal one is planted into


@dataclass(frozen=True)
class Planted:
    bags: np.ndarray  # (n, segments, C) float32
    where: np.ndarray  # (n, segments) bool: what is planted
    event: np.ndarray  # (n,): the video that is planted, by its place among those given

    @classmethod
    def of(cls, events: list[np.ndarray], grounds: list[np.ndarray], rng, itself: bool = False) -> "Planted":
        """Each of `events` squeezed into a fourth of a bag, at a random place of `TIMES` of `grounds`, squeezed into the rest.

        Args:
            events, grounds: bags (segments, C), with at least `SHARE` segments.
            itself: the events are the grounds; none is planted into itself.
        """
        bags, where, event = [], [], []
        for number, planted in enumerate(events):
            others = [place for place in range(len(grounds)) if not (itself and place == number)]
            length = len(planted) // SHARE
            for ground in rng.choice(others, min(TIMES, len(others)), replace=False):
                rest = to_segments(grounds[ground], len(planted) - length)
                place = int(rng.integers(len(rest) + 1))
                bags.append(np.concatenate([rest[:place], to_segments(planted, length), rest[place:]]))
                where.append((np.arange(len(planted)) >= place) & (np.arange(len(planted)) < place + length))
                event.append(number)
        return cls(np.stack(bags), np.stack(where), np.array(event))

    def found(self, scores: np.ndarray) -> np.ndarray:
        """Scores (n, segments) -> (events,): AUC of the planted segments against the rest, the mean over what each event was planted into."""
        ranks = rankdata(scores, axis=1)
        inside = self.where.sum(1)
        outside = self.where.shape[1] - inside
        aucs = ((ranks * self.where).sum(1) - inside * (inside + 1) / 2) / (inside * outside)
        return np.bincount(self.event, aucs) / np.bincount(self.event)
