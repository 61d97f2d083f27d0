"""C3D trained on Sports-1M (Tran et al., 2015)."""

from stavad.extract.backbones import c3d
from stavad.extract.preprocess import View
from stavad.extract.presets import Preset
from stavad.extract.weights import Weights


def _c3d() -> Preset:
    return Preset(
        "c3d-sports1m",
        c3d.C3D,
        "fc6 after ReLU",
        c3d.WIDTH,
        View(mean=(90.25, 97.66, 101.41), std=(1.0, 1.0, 1.0), resize=(128, 171), crop=112, colour="BGR"),
        Weights(
            "https://download.openmmlab.com/mmaction/recognition/c3d/c3d_sports1m_pretrain_20201016-dcc47ddc.pth",
            sha256="dcc47ddc",
        ),
        rename=lambda model, state: c3d.from_public(state),
    )


PRESETS = {"c3d-sports1m": _c3d}
