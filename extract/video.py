"""The clip features of one video, without store, locks and quarantine list."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stavad.data.errors import UserError
from stavad.extract.batch import Network, VideoFeatures, collector
from stavad.extract.clips import to_clips
from stavad.extract.decode import Undecodable, open_video, or_with_pyav
from stavad.extract.device import choose_device
from stavad.extract.presets import DEFAULT, Preset
from stavad.extract.presets import preset as preset_of


@dataclass(frozen=True)
class ClipFeatures:
    """Of one video."""

    features: np.ndarray  # (clips, crops, C) float32, a row for every 16 frames
    frames: int  # decoded
    fps: float  # mean frame rate, 0.0 if unknown
    decoder: str  # name and version
    fingerprint: dict  # everything else that the features depend on


class ClipFeatureExtractor:
    """A preset's backbone, loaded once for many videos.

    Args:
        preset: a name of `PRESETS`, or a `Preset`.
        weights: a checkpoint instead of the published one.
        device: auto, cpu, cuda or cuda:NUMBER.

    Raises:
        UserError: no such preset, or its weights cannot be had.
    """

    def __init__(self, preset: str | Preset = DEFAULT, weights: str | Path = "", device: str = "auto"):
        self.preset = preset_of(preset) if isinstance(preset, str) else preset
        backbone, fingerprint = self.preset.load(Path(weights) if weights else None)
        self.fingerprint = fingerprint | {"precision": "fp32"}
        self.network = Network(backbone, choose_device(device))

    def __call__(self, path: str | Path, decoder: str = "auto") -> ClipFeatures:
        """The features of one video, decoded in this very process: a file that hangs its decoder hangs the caller.

        Args:
            path: a video, or a folder of images.
            decoder: auto, decord or av.

        Raises:
            UserError: it cannot be decoded.
        """
        try:
            return or_with_pyav(decoder, lambda chosen: self._features(Path(path), chosen))
        except (Undecodable, OSError) as error:
            raise UserError(path, str(error), "give a video that can be played") from None

    def _features(self, path: Path, decoder: str) -> ClipFeatures:
        source, found = open_video(path, decoder, luma=self.preset.taken.luma), VideoFeatures()
        with closing(collector(self.network, self.preset.view)) as batch:
            for clip, own in to_clips(source.frames, self.preset.tail):
                batch.add(*self.preset.taken(clip), own, found)
            batch.flush()
        if not found.clips:
            raise Undecodable("no frame of it can be decoded")
        features = found.array(self.preset.view.crops)
        return ClipFeatures(features, found.frames, source.fps, source.decoder, self.fingerprint)


def clip_features(
    path: str | Path, preset: str | Preset = DEFAULT, weights: str | Path = "", device: str = "auto"
) -> ClipFeatures:
    """The features of one video; for several, keep a `ClipFeatureExtractor`.

    Args and errors as there.
    """
    return ClipFeatureExtractor(preset, weights, device)(path)
