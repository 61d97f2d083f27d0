"""What the filter of the resize does to features: plain bilinear, bilinear widened when shrinking (PIL's), and that rounded to whole numbers.

    python -m benchmarks.filters VIDEO ..

The cosine of the features of the same clips with each preset's own filter and with another one, least and mean over up to CLIPS clips of
each video. Only `efficientnet-lite0` has its real weights here; of the others, whose weights are seeded, it shows what reaches the network.
The last column sets the scale: the cosine of neighbouring clips.
"""

import argparse
import dataclasses
import itertools
from pathlib import Path

import numpy as np
import torch

from stavad.extract.clips import to_clips
from stavad.extract.decode import open_video
from stavad.extract.presets import PRESETS
from tests.reference import seeded

CLIPS = 6
FILTERS = {  # antialias, rounded
    "bilinear": (False, False),
    "antialiased": (True, False),
    "antialiased, rounded": (True, True),
}
NAMES = ("efficientnet-lite0", "i3d-kinetics", "c3d-sports1m", "r3d_18")


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    videos = parser.parse_args().videos
    clips = [[torch.from_numpy(np.stack(clip)) for clip, _ in itertools.islice(to_clips(open_video(v).frames), CLIPS)] for v in videos]  # fmt: skip
    print(
        f"{len(videos)} videos of {', '.join(sorted({f'{c[0].shape[2]}x{c[0].shape[1]}' for c in clips}))}, {sum(map(len, clips))} clips; cosine, least (mean)"
    )
    print(f"{'':20}{'its own filter':>22}" + "".join(f"{name:>26}" for name in FILTERS) + f"{'next clip':>22}")
    for name in NAMES:
        preset = PRESETS[name]()
        network = preset.load()[0] if preset.weights.file else seeded(preset.build())
        own = preset.view.antialias, preset.view.rounded
        title = next((title for title, filter in FILTERS.items() if filter == own), "bilinear, rounded")
        found = {title: features(network, preset.view, clips)}
        for other, (antialias, rounded) in FILTERS.items():
            if other != title:
                view = dataclasses.replace(preset.view, antialias=antialias, rounded=rounded)
                found[other] = features(network, view, clips)
        cells = ["-" if other == title else like(found[title], found[other]) for other in FILTERS]
        following = like([f[:-1] for f in found[title]], [f[1:] for f in found[title]])
        print(f"{name:20}{title:>22}" + "".join(f"{cell:>26}" for cell in cells) + f"{following:>22}", flush=True)


def features(network, view, clips) -> list[torch.Tensor]:
    """(clips, C) of each video."""
    return [torch.cat([network(view(clip)) for clip in of_video]) for of_video in clips]


def like(one: list[torch.Tensor], other: list[torch.Tensor]) -> str:
    cosines = torch.cosine_similarity(torch.cat(one), torch.cat(other))
    return f"{cosines.min():.5f} ({cosines.mean():.5f})"


if __name__ == "__main__":
    main()
