"""Spatial-temporal attention: ours against the written-out form, a row-by-row form, and the floor.

    python -m benchmarks.attention [--device cuda] [--before FOLDER]

Two passes over one video of (N, C), float32, all on the same threads. The floor is one read and one write of the input for each pass.
Peak memory is what torch allocated beyond the input (of the slow forms, what the process grew by), in multiples of it; the fused form's threads
have rooms of their own beside it, of 0.3 MB each at C = 4096. Times are the fastest of 15 calls, after a first one that is not counted (of one
call for the two slow forms); "-" was not tried: its weights, or what the rows move in all, are more than LIMIT. The batches beside commit
8fe596e come last, both with freed memory kept, as a training keeps it: the fastest of 20 turns on a CPU, of 3 by tensors alone or on a GPU, of which
each is the fastest of 5 calls there.
"""

import argparse
import platform
import re
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.before import centred, module, symmetric
from stavad.train import polynomial
from stavad.train.attention import SpatialTemporalAttention, unfused
from stavad.train.loop import keep_freed_memory
from stavad.train.model import AnomalyDetector
from stavad.train.settings import TrainSettings
from tests.reference import written_out

SHAPES = [(32, 1024), (32, 2048), (32, 4096), (256, 1024), (2048, 1024)]
# bytes of one tensor of the written-out form, or read by the row-by-row form, beyond which it is not tried
LIMIT = 12 * 2**30
CHANNELS = 10
SLOW = ("written out", "row by row")
LONG = [(6749, 4096), (50_000, 1024), (50_000, 4096)]  # the longest test video of UCF-Crime, and a day of clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--before", metavar="FOLDER", default="", help="of commit 8fe596e (before.py): its version beside ours"
    )
    given = parser.parse_args()
    device = torch.device(given.device)
    torch.manual_seed(0)  # a training's first weights: how many powers they need hangs on them, 6 to 9
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.processor() or platform.machine()}"
    )
    print(f"torch {torch.__version__}, {name}, {torch.get_num_threads()} threads")
    eager, fused = SpatialTemporalAttention().to(device), SpatialTemporalAttention().to(device)
    fused.load_state_dict(eager.state_dict())
    eager.fused = False
    print(f"fused: {unfused(device) or ('gpu.py' if device.type == 'cuda' else 'powers.c')}")
    print(
        "\nwhole model, a long video scored in one piece, ms: floor, attention (times the floor), all; peak memory in inputs"
    )
    for shape in LONG:
        floor, attention, whole, memory = score_long(shape, device)
        print(f"{shape[0]:>5} x {shape[1]:<4}{1e3 * floor:>9.2f}{1e3 * attention:>10.2f} ({attention / floor:.1f}){1e3 * whole:>10.1f}{memory:>6.1f}", flush=True)  # fmt: skip
    forms = {
        "written out": lambda x: written_out(eager, x),
        "row by row": lambda x: row_by_row(eager, x),
        "eager": eager,
        "fused": fused,
    }
    for backward in (False, True):
        print(f"\n{'forward and backward' if backward else 'forward'}, ms (times the fused one; peak memory in inputs)")
        print(f"{'N x C':>12}{'floor':>16}" + "".join(f"{form:>26}" for form in forms))
        for shape in SHAPES:
            features = 0.03 * torch.rand(1, *shape, device=device)
            floor = fastest(lambda x=features: [x + 1 for _ in range(2)], device, calls=50)
            found = {form: measure(call, form, features, backward) for form, call in forms.items()}
            best = found["fused"][0]
            cells = [f"{1e3 * floor:.3f} (1/{best / floor:.0f})"]
            cells += [f"{1e3 * t:.2f} ({t / best:.1f}; {m:.1f})" if t else "-" for t, m in found.values()]
            print(
                f"{shape[0]:>5} x {shape[1]:<4}{cells[0]:>16}" + "".join(f"{cell:>26}" for cell in cells[1:]),
                flush=True,
            )
    print_degrees()
    if given.before:
        beside_before(given.before, device)


def beside_before(folder: str, device) -> None:
    """A training batch, of features like UCF-Crime's and of symmetric ones: each time the two versions take turns, and the floor with them."""
    print(
        "\nbatches of 60 bags, ms: floor, commit 8fe596e, ours (times faster; times the floor; peak memory in inputs)"
    )
    torch.manual_seed(0)
    keep_freed_memory()
    ours = SpatialTemporalAttention().to(device)
    before = module(folder, "train.attention").SpatialTemporalAttention().to(device)
    before.load_state_dict(ours.state_dict())
    fused = "in C" if device.type == "cpu" else "by Triton"
    for form, make in ((fused, centred), (fused, symmetric), ("tensors alone", centred)):
        ours.fused = before.fused = form == fused
        for width in (1024, 4096):
            features = make(60, 32, width).to(device)
            weight = torch.ones_like(features)
            for backward in (False, True):

                def run(call, backward=backward, features=features, weight=weight):
                    with torch.set_grad_enabled(backward):
                        out = call(features)
                    if backward:
                        out.backward(weight)

                floor, old, new = take_turns(
                    [partial(read_and_write, features), partial(run, before), partial(run, ours)],
                    device,
                    20 if form == "in C" else 3,
                    calls=1 if device.type == "cpu" else 5,
                )
                memory = peak(partial(run, ours), device) / features.nbytes
                what = f"{make.__name__}, 60 x 32 x {width:<5}{'forward and backward' if backward else 'forward'}"
                print(f"{form:>14}, {what:<48}{1e3 * floor:8.2f}{1e3 * old:9.1f}{1e3 * new:9.1f}  ({old / new:.1f}; {new / floor:.1f}; {memory:.1f})", flush=True)  # fmt: skip


def print_degrees() -> None:
    """The larger degree of the two, for the first weights of 200 seeds and the first pass."""
    print("\ndegrees of the polynomials (of how many seeds): for these features, and as far to both sides of 0")
    for make in (centred, symmetric):
        features = make(60, 32, 1024)
        low, high = features.min().item(), features.max().item()
        reach = max(-low, high)
        cells = [Counter(degrees(*ends)) for ends in ((low, high), (-reach, reach))]
        print(f"{make.__name__:>14} {low:.2f} to {high:.2f}: " + "; ".join(str(sorted(cell.items())) for cell in cells))


def degrees(low: float, high: float) -> Iterator[int]:
    for seed in range(200):
        torch.manual_seed(seed)
        vectors = SpatialTemporalAttention()._vectors().detach().numpy()
        yield max(polynomial.fit(vectors, low, high, torch.float32, 1024).kernel.shape) - 1


def read_and_write(features) -> None:
    """Twice, as two passes at least have to."""
    for _ in range(2):
        features + 1


def take_turns(work: list, device, turns: int, calls: int = 1) -> list[float]:
    """The fastest time of each, one after the other in each turn."""
    return [min(times) for times in zip(*[[fastest(call, device, calls) for call in work] for _ in range(turns)])]


def score_long(shape: tuple[int, int], device) -> tuple[float, float, float, float]:
    """Attention and bd-RNN over all clips, both exact: nothing is cut or carried over."""
    settings = TrainSettings()
    model = AnomalyDetector(shape[1], settings).to(device).eval()
    features = 0.03 * torch.rand(1, *shape, device=device)
    floor = fastest(partial(read_and_write, features), device, calls=5)
    with torch.inference_mode():
        model(features[:, :64])
        attention = fastest(lambda: model.attention(features), device, calls=3)
        before = resident(device)
        whole = fastest(lambda: model(features), device, calls=1)
    return floor, attention, whole, (resident(device, peak=True) - before) / features.nbytes


def resident(device, peak: bool = False) -> int:
    """Bytes held now, or at most since the last such call (Linux)."""
    if device.type == "cuda":
        held = torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return held
    held = of_process("VmHWM" if peak else "VmRSS")
    if not peak:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    return held


def of_process(field: str, process: int | str = "self") -> int:
    """Bytes that a process holds now (VmRSS), or held at most (VmHWM); 0 if it has ended (Linux)."""
    try:
        return 1024 * int(re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1])
    except (OSError, TypeError):  # its folder is gone, or its entry
        return 0


def measure(call, form: str, features, backward: bool) -> tuple[float | None, float]:
    clips, width = features.shape[1:]
    taken = {"written out": clips * width * max(width, clips), "row by row": CHANNELS * clips * clips * width}
    if 4 * taken.get(form, 0) > LIMIT:
        return None, 0.0
    leaf = features.clone().requires_grad_(backward)
    weight = torch.ones_like(features)

    def work():
        if not backward:
            with torch.no_grad():
                return call(leaf)
        leaf.grad = None
        call(leaf).backward(weight)

    # gigabytes show in the process; the profiler's own records would come on top of them
    memory = grown(work, features.device) if form in SLOW else peak(work, features.device)
    return fastest(work, features.device, calls=1 if form in SLOW else 15), memory / features.nbytes


def fastest(work, device, calls: int = 15) -> float:
    times = []
    for _ in range(calls):
        synchronise(device)
        begun = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - begun)
    return min(times)


def grown(work, device) -> int:
    """What `resident` grew by, at most, during `work`."""
    before = resident(device)
    work()
    return resident(device, peak=True) - before


def peak(work, device) -> int:
    """Most bytes that torch allocated at once during `work`, beyond what was there before."""
    if device.type == "cuda":
        return grown(work, device)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    now = most = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def row_by_row(module, features):
    """The written-out form with one clip's C x C weights at a time, computed again in the backward pass."""
    vectors = [v.flatten() for v in (module.query.weight, module.query.bias, module.key.weight, module.key.bias)]
    for _ in range(module.passes):
        query, key = (
            torch.nn.functional.normalize(features[0, ..., None] * w + b, dim=-1) for w, b in (vectors[:2], vectors[2:])
        )
        features = RowByRow.apply(features[0], query, key)[None]
    return features


class RowByRow(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *inputs):
        ctx.save_for_backward(*inputs)
        return torch.stack([_one_row(i, *inputs) for i in range(len(inputs[0]))])

    @staticmethod
    def backward(ctx, grad):
        leaves = [tensor.detach().requires_grad_() for tensor in ctx.saved_tensors]
        with torch.enable_grad():
            for i, of_row in enumerate(grad):
                _one_row(i, *leaves).backward(of_row)
        return tuple(leaf.grad for leaf in leaves)


def _one_row(i, features, query, key):
    row = (query[i] @ key[i].T).exp()
    others = torch.arange(len(features), device=features.device) != i
    column = torch.einsum("cd,ncd->nc", query[i], key).exp() * others[:, None]
    attended = row @ features[i] + (column * features).sum(0)
    return features[i] + attended / (row.sum(1) + column.sum(0))


def synchronise(device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
