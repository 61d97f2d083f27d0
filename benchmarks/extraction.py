"""Stage one against its limits: what the whole makes of the decoder's and the backbone's speed, and the memory of a long video.

    python -m benchmarks.extraction [--device cuda] [--video FILE] [--presets NAME ..] [--clips N] [--skip-memory]

Speed, in clips of 16 frames a second, all in one run: decoding alone; clips as they reach another process; the backbone alone on frames that are
prepared, as it is written and as `extract` runs it (batch norm folded, channels last); and a whole extraction into a store, from the moment the
decoder has opened the video.
The limit is 1 / (1/decode + 1/backbone) on a CPU, where both share the cores, and the slower of the two on a GPU. Of ROUNDS in turn the fastest
counts. bf16 is measured where the device has instructions for it. Weights are seeded, their values do not matter here. Without --video one of
320 x 240 (UCF-Crime's size) is rendered.

Memory: a video of two minutes and one of two hours through decoder, clips, preprocessing and store, with a backbone that is only a pool: what
this process grows by, and the peak of the decoding one, which holds the imports of this script.
"""

import argparse
import dataclasses
import multiprocessing
import tempfile
import threading
import time
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.attention import of_process
from stavad.data.catalogue import Video
from stavad.data.store import Store
from stavad.extract.batch import AT_ONCE, has_bf16
from stavad.extract.clips import to_clips
from stavad.extract.decode import open_video
from stavad.extract.outcome import Progress
from stavad.extract.presets import PRESETS
from stavad.extract.reader import Begin, Clip, Failed, read_clips
from stavad.extract.run import Extraction
from stavad.extract.settings import ExtractSettings
from stavad.pipeline.street import scene, write
from tests.reference import seeded

CASES = [("i3d-kinetics", "fp32"), ("i3d-kinetics", "bf16"), ("c3d-sports1m", "fp32"), ("c3d-sports1m", "bf16"), ("r3d_18", "fp32"), ("s3d", "fp32"), ("efficientnet-lite0", "fp32")]  # fmt: skip
UCF_CRIME = 128 * 3600 * 30 / 16  # clips
ROUNDS = 3  # of which the fastest counts, of each part
TWO_MINUTES, TWO_HOURS = 2 * 60 * 25, 2 * 3600 * 25  # frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--video", type=Path)
    names = sorted({name for name, _ in CASES})
    parser.add_argument("--presets", nargs="*", default=names, choices=[*names, []])
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--skip-memory", action="store_true")
    flags = parser.parse_args()
    device = torch.device(flags.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, {device.type}, {name}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        video = flags.video or folder / "street.mp4"
        if not flags.video:
            write(video, scene(16 * flags.clips, "", (), np.random.default_rng(0)))
        decoder, decode = decode_speed(video)
        print(f"{video.name}: {decode:.0f} clips/s, {16 * decode:.0f} frames/s, by {decoder}")
        read = read_speed(video, decoder)
        print(f"handed over by the decoding process: {read:.0f} clips/s, {read / decode:.2f} of that\n")
        print(
            f"{'':28}{'as written':>12}{'backbone':>10}{'limit':>10}{'whole':>10}{'whole/limit':>13}{'UCF-Crime':>12}"
        )
        for preset, precision in CASES:
            if preset in flags.presets and (precision == "fp32" or has_bf16(device)):
                written, backbone, whole = speeds(preset, precision, video, folder, device)
                limit = min(decode, backbone) if device.type == "cuda" else 1 / (1 / decode + 1 / backbone)
                hours = UCF_CRIME / whole / 3600
                print(f"{preset:22}{precision:6}{written:>12.2f}{backbone:>10.2f}{limit:>10.2f}{whole:>10.2f}{whole / limit:>13.2f}{hours:>10.0f} h", flush=True)  # fmt: skip
        if not flags.skip_memory:
            print(f"\n{'peak memory, MB':28}{'process':>10}{'decoder':>10}")
            for title, frames in (("two minutes", TWO_MINUTES), ("two hours", TWO_HOURS)):
                own, child = memory(repeated(folder, frames), folder, device)
                print(f"{title:28}{own:>10.0f}{child:>10.0f}", flush=True)


def decode_speed(video: Path) -> tuple[str, float]:
    """Decoder and clips per second of decoding alone, once the video is opened."""
    found = []
    for _ in range(ROUNDS):
        source = open_video(video)
        begun = time.perf_counter()
        clips = sum(1 for _ in to_clips(source.frames))
        found.append(clips / (time.perf_counter() - begun))
    return source.decoder, max(found)


def read_speed(video: Path, decoder: str) -> float:
    """Clips per second that reach this process when it does nothing with them, once the video is opened."""
    found = []
    for _ in range(ROUNDS):
        begun, clips = 0.0, 0
        for event in read_clips([(0, video)], decoder.split()[0], 60.0):
            if isinstance(event, Failed):
                raise SystemExit(f"{video}: {event.reason}")
            if isinstance(event, Begin):
                begun = time.perf_counter()
            clips += isinstance(event, Clip)
        found.append(clips / (time.perf_counter() - begun))
    return max(found)


def speeds(name: str, precision: str, video: Path, folder: Path, device) -> tuple[float, float, float]:
    """Clips per second of the backbone as it is written, of the backbone as it is run, and of the whole."""
    preset = dataclasses.replace(PRESETS[name](), rename=lambda model, state: state)
    network = seeded(preset.build())
    torch.save(network.state_dict(), folder / "weights.pt")
    store = Store(folder / f"{name}-{precision}")
    run = Extraction(preset, store, ExtractSettings(precision=precision), device, folder / "weights.pt")
    run.network.trusted = True  # the comparison of bf16 with fp32 is made once per run, and not timed
    frames = torch.from_numpy(np.stack(next(to_clips(open_video(video).frames))[0])).to(device)
    clips = AT_ONCE if device.type == "cuda" else 1
    shown = torch.cat([preset.view(frames)] * clips)
    network.to(device)

    class Opened(Progress):
        def video(self, *arguments):
            self.begun = time.perf_counter()

    progress, found = Opened(), []
    for number in range(ROUNDS):  # in turn, as the speed of a shared machine drifts
        written = clips_per_second(lambda: network(shown).cpu(), clips)
        backbone = clips_per_second(lambda: run.network(shown).cpu(), clips)
        outcome = run.run([Video(f"{number}", video)], progress)
        found.append((written, backbone, outcome.clips / (time.perf_counter() - progress.begun)))
    return tuple(map(max, zip(*found)))


@torch.inference_mode()
def clips_per_second(work, clips: int, seconds: float = 5.0) -> float:
    work()
    begun, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - begun < seconds:
        work()
        done += clips
    return done / (time.perf_counter() - begun)


def memory(video: Path, folder: Path, device) -> tuple[float, float]:
    """Peak resident MB of an extraction, of this process beyond what it held before, and of the decoding process."""
    preset = PRESETS["r3d_18"]()
    torch.save(preset.build().state_dict(), folder / "weights.pt")
    run = Extraction(preset, Store(folder / video.stem), ExtractSettings(), device, folder / "weights.pt")
    run.network.backbone = torch.nn.Sequential(torch.nn.AdaptiveAvgPool3d(8), torch.nn.Flatten())
    before, peaks, done = of_process("VmRSS"), [0, 0], threading.Event()

    def watch():
        while not done.wait(0.02):
            children = [of_process("VmRSS", child.pid) for child in multiprocessing.active_children()]
            peaks[:] = [max(peaks[0], of_process("VmRSS") - before), max([peaks[1], *children])]

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        run.run([Video("v", video)])
    finally:
        done.set()
        thread.join()
    return peaks[0] / 1e6, peaks[1] / 1e6


def repeated(folder: Path, frames: int) -> Path:
    """A rendered video of so many frames: the packets of 300, over and over."""
    once, path = folder / "once.mp4", folder / f"{frames}.mp4"
    write(once, scene(300, "", (), np.random.default_rng(0)))
    with av.open(str(once)) as source, av.open(str(path), "w") as target:
        packets = [packet for packet in source.demux(video=0) if packet.size]
        stream = target.add_stream_from_template(source.streams.video[0])
        step = sum(packet.duration for packet in packets)
        stamps = [(packet.pts, packet.dts) for packet in packets]
        for number in range(frames // len(packets)):
            for packet, (pts, dts) in zip(packets, stamps):
                packet.stream, packet.pts, packet.dts = stream, pts + number * step, dts + number * step
                target.mux(packet)
    return path


if __name__ == "__main__":
    main()
