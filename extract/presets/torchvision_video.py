"""torchvision's video classifiers trained on Kinetics, before their last layer."""

import functools

from torch import nn

from stavad.extract.preprocess import View
from stavad.extract.presets import Preset
from stavad.extract.weights import Weights


def _torchvision(name: str, head: str, width: int, layer: str) -> Preset:
    """A video classifier of torchvision, with the geometry and scale of its own `Weights.transforms()`."""
    from torchvision.models import get_model, get_model_weights

    published = get_model_weights(name).DEFAULT
    shown = published.transforms()
    view = View(
        mean=tuple(255 * value for value in shown.mean),
        std=tuple(255 * value for value in shown.std),
        resize=shown.resize_size[0] if len(shown.resize_size) == 1 else tuple(shown.resize_size),
        crop=shown.crop_size[0],
        rounded=True,
    )

    def build():
        model = get_model(name, weights=None)
        setattr(model, head, nn.Identity())
        return model

    def without_head(model, state):
        return {key: value for key, value in state.items() if not key.startswith(f"{head}.")}

    digest = published.url.rsplit("-", 1)[-1].removesuffix(".pth")
    return Preset(name, build, layer, width, view, Weights(published.url, sha256=digest), rename=without_head)


PRESETS = {
    name: functools.partial(_torchvision, name, *shape)
    for name, shape in {
        "r3d_18": ("fc", 512, "avgpool"),
        "mc3_18": ("fc", 512, "avgpool"),
        "r2plus1d_18": ("fc", 512, "avgpool"),
        "s3d": ("classifier", 1024, "avgpool"),
        "mvit_v2_s": ("head", 768, "class token"),
        "swin3d_t": ("head", 768, "avgpool"),
    }.items()
}
