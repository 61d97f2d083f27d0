"""The training loop: bags in memory as two tensors, one optimiser step after another."""

import ctypes
import functools
from collections.abc import Callable, Container, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from stavad.data.errors import UserError
from stavad.train.attention import unfused
from stavad.train.baselines import MeanLogistic, build
from stavad.train.model import Scored
from stavad.train.settings import TrainSettings, steps

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of malloc.h
LOOK_EVERY = 32  # steps between two looks whether the scores are numbers: a GPU would wait for each


def fit(
    abnormal: Tensor,
    normal: Tensor,
    settings: TrainSettings,
    on_step: Callable[[int, Tensor, dict[str, Tensor]], None] = lambda step, loss, terms: None,
    on_note: Callable[[str], None] = lambda note: None,
    looks: Container[int] = (),
    on_look: Callable[[int, nn.Module], None] = lambda step, model: None,
) -> nn.Module:
    """Train the model on bags whose videos' labels are known; on a CPU the process keeps what it frees (`keep_freed_memory`).

    Args:
        abnormal, normal: bags (videos, segments, C), float32, on the device to train on.
        settings: everything else; the same settings and bags give the same model on a CPU.
        on_step: called after each step with its number from 1, the loss, and the loss terms (tensors, not yet synchronised).
        on_note: called with what the user should know, such as why the attention runs unfused.
        looks: steps after which `on_look` is called with the model, in evaluation mode; it changes nothing of the training.

    Returns:
        The model after the last step, in evaluation mode.

    Raises:
        UserError: the training diverged.
    """
    if settings.model == "logistic":
        model = MeanLogistic.fitted(abnormal, normal, settings.seed)
        for step in range(1, steps(settings, len(abnormal), len(normal)) + 1):
            if step in looks:
                on_look(step, model)
        return model
    if abnormal.device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(settings.seed)
    model = build(abnormal.shape[-1], settings).to(abnormal.device)
    if settings.model == "sta" and settings.attention and (reason := unfused(abnormal.device)):
        on_note(f"the attention runs unfused, some times slower: {reason}")
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    sides = zip((abnormal, normal), (1, 0))  # each side by a seed of its own, or both would draw the same places
    draws = zip(*(batches(len(bags), settings.batch, (settings.seed, label), bags.device) for bags, label in sides))
    finite = torch.ones((), dtype=torch.bool, device=abnormal.device)
    for step in range(1, steps(settings, len(abnormal), len(normal)) + 1):
        chosen = [bags[draw] for bags, draw in zip((abnormal, normal), next(draws))]
        scored = model(torch.cat(chosen))
        finite &= scored.scores.isfinite().all()
        if step % LOOK_EVERY == 0:
            _require(finite)
        sides = zip(*(part.split([len(bags) for bags in chosen]) for part in scored))
        loss, terms = model.objective(*(Scored(*side) for side in sides))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        model.bound()
        on_step(step, loss.detach(), terms)
        if step in looks:
            on_look(step, model.eval())
            model.train()
    _require(finite & torch.stack([p.isfinite().all() for p in model.parameters()]).all())
    return model.eval()


def _require(finite: Tensor) -> None:
    if not finite:
        raise UserError("training", "diverged: scores or weights are no numbers", "give a lower --learning-rate")


def batches(bags: int, size: int, seed: tuple[int, ...], device=None) -> Iterator[Tensor]:
    """Endless draws of `size` bags (all, if there are fewer), on the device: shuffled, each bag once before any comes again."""
    rng = np.random.default_rng(seed)
    size, queue = min(size, bags), torch.empty(0, dtype=torch.long, device=device)
    while True:
        if len(queue) < size:
            queue = torch.cat([queue, torch.from_numpy(rng.permutation(bags)).to(queue.device)])
        draw, queue = queue[:size], queue[size:]
        yield draw


@functools.cache
def keep_freed_memory() -> None:
    """What a step frees is there for the next one, in this process from now on: blocks of up to 1 GB, and up to 2 GB at the heap's end.

    glibc gives big blocks back to the system at once, which fills them with zeros, page after page, when they are asked for again: a tenth of a step's
    time. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # older ones take no more than 32 MB; a trim threshold alone would make things slower
    if mallopt and (mallopt(MMAP_THRESHOLD, 2**30) or mallopt(MMAP_THRESHOLD, 2**25)):
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
