"""The linear-time attention against the written-out one."""

import functools
import math
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from stavad.train import angles, polynomial, powers
from stavad.train.attention import SpatialTemporalAttention, unfused
from stavad.train.kernels import compiled, eager
from stavad.train.kernels.eager import PART
from tests.reference import written_out

OPERATIONS = {"in parts": 240_000, "whole": 1_200}  # of a training step
BOTH = pytest.mark.parametrize("normalize", ["keys", "queries"])


def module_of(normalize="keys", channels=10, passes=2, seed=0):
    torch.manual_seed(seed)
    return SpatialTemporalAttention(channels, passes, normalize)


def error(module, features, mask=None):
    """Relative error of the attention part, output minus input: the larger of the eager and the fused form's."""
    exact = written_out(module, features.double(), mask) - features.double()
    errors = []
    for fused_form in {False, module.fused}:
        module.fused = fused_form
        found = module(features, mask).double() - features.double()
        errors.append(((found - exact).norm() / exact.norm()).item())
    return max(errors)


def errors_of_gradients(module, features, weight):
    """Relative errors in float32: the features', then each parameter's."""
    gradients = []
    for attend, dtype in ((module, torch.float32), (functools.partial(written_out, module), torch.float64)):
        module.to(dtype)
        given = features.to(dtype).requires_grad_()
        gradients.append(torch.autograd.grad((attend(given) * weight).sum(), (given, *module.parameters())))
    return [((one.double() - other).norm() / other.norm()).item() for one, other in zip(*gradients)]


def vectors_of(module):
    return module._vectors().detach().numpy()


@BOTH
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("scale", [0.02, 1.0, 50.0])
def test_exact_to_rounding(normalize, dtype, bound, scale):
    features = torch.rand(2, 12, 300, dtype=dtype) * scale
    assert error(module_of(normalize), features) <= bound


def _told(taken, name, whole, *arguments, **named):
    out = whole(*arguments, **named)
    taken.append(name)
    return out


def ways(monkeypatch):
    """Which of the two forms each pass takes, as the module runs."""
    taken = []
    for form in (powers, angles):
        monkeypatch.setattr(form, "step", functools.partial(_told, taken, form.__name__.rpartition(".")[2], form.step))
    return taken


def test_a_bounded_range_goes_by_powers_and_a_wide_one_by_angles(monkeypatch):
    taken = ways(monkeypatch)
    module_of()(torch.rand(1, 4, 50) * 0.2)
    assert taken == ["powers", "powers"]
    module_of()((torch.rand(1, 4, 50) - 0.5) * 50)
    assert taken[2:] == ["angles", "angles"]


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("in_c", [True, False])
@pytest.mark.parametrize("middle", [0, 0.2])
def test_centred_features_by_powers(monkeypatch, normalize, dtype, in_c, middle):
    """As UCF-Crime's: sparse and near 0, their numerators nearly cancel. And the same all to one side."""
    taken = ways(monkeypatch)
    torch.manual_seed(1)
    features = torch.randn(2, 9, 150, dtype=dtype).pow(3).clamp(-3, 3) * 0.03 + middle
    module = module_of(normalize)
    module.fused = in_c
    exact = written_out(module, features.double()) - features.double()
    found = module(features).double() - features.double()
    assert ((found - exact).norm() / exact.norm()).item() <= (1e-6 if dtype == torch.float32 else 1e-12)
    assert taken == ["powers", "powers"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("low", "high"), [(-0.3, 0.3), (-0.04, 0.21), (0.1, 0.3), (-0.54, 0.02), (0, 0)])
def test_the_polynomial_is_what_it_stands_for(dtype, low, high):
    vectors = vectors_of(module_of())
    found = polynomial.fit(vectors, low, high, dtype, 64)
    numbers = np.linspace(low, high, 50)
    query, key = (numbers[:, None] * w + b for w, b in (vectors[:2], vectors[2:]))
    query, key = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (query, key))
    exact, x = np.exp(query @ key.T), numbers / found.reach
    values = np.polynomial.polynomial.polygrid2d(x, x, found.kernel)
    assert np.abs(values - exact).max() <= 2 * polynomial.ERROR[dtype]
    own = np.polynomial.polynomial.polyval(x, found.own)
    assert np.abs(own - exact.diagonal()).max() <= 8 * polynomial.ERROR[dtype]


@BOTH
@pytest.mark.parametrize("without", [1, 2])
def test_a_turn_beside_0_is_seen(normalize, without):
    """Queries, and keys, without a bias point one way for all numbers above 0, and nowhere at 0."""
    module = module_of(normalize)
    with torch.no_grad():
        for layer in (module.query, module.key)[:without]:
            layer.bias.zero_()
    assert error(module, (torch.rand(2, 9, 40) - 0.5).clamp(min=0)) <= 1e-6


@BOTH
def test_a_turn_before_a_huge_number_is_seen(normalize):
    module, features = module_of(normalize), torch.rand(2, 9, 40) - 0.5
    features[1, 3, 5] = 1e10
    assert error(module, features) <= 1e-6


def test_coefficients_that_grow_too_large_are_not_taken():
    module = module_of(seed=28)
    assert error(module, torch.rand(1, 9, 150) * 1.2) <= 1e-6


def test_each_variable_has_a_degree_of_its_own():
    vectors = vectors_of(module_of())
    vectors[2] *= 0.05  # keys that hardly turn
    queries, keys = polynomial.fit(vectors, -0.1, 0.3, torch.float32, 1024).kernel.shape
    assert queries > keys


@BOTH
def test_gradients_in_float32_of_what_lies_to_one_side(monkeypatch, normalize):
    taken = ways(monkeypatch)
    module = module_of(normalize)
    features, weight = torch.rand(2, 9, 150) * 0.7, torch.randn(2, 9, 150)
    of_features, *of_parameters = errors_of_gradients(module, features, weight)
    assert taken == ["powers", "powers"]
    assert of_features <= 2e-6 and max(of_parameters) <= 1e-3  # these nearly cancel


def test_what_lies_to_one_side_needs_a_lower_degree():
    vectors = vectors_of(module_of())

    def degrees(low, high):
        return np.add(polynomial.fit(vectors, low, high, torch.float32, 1024).kernel.shape, -1)

    assert (degrees(0, 0.4) < degrees(-0.4, 0.4)).all()


@BOTH
@pytest.mark.parametrize("seed", [1, 4, 5, 9])
def test_high_degrees_keep_the_digits_of_float32(monkeypatch, normalize, seed):
    degrees, fit = [], polynomial.fit

    def told(*arguments):
        found = fit(*arguments)
        degrees.extend(length - 1 for length in found.kernel.shape)
        return found

    monkeypatch.setattr(polynomial, "fit", told)
    features = (torch.rand(2, 9, 150, generator=torch.Generator().manual_seed(seed)) - 0.5) * 1.5
    module = module_of(normalize, seed=seed)
    assert error(module, features) <= 1e-6
    assert 16 < max(degrees) <= polynomial.DEGREE[torch.float32]
    weight = torch.linspace(-1, 1, features.numel()).view_as(features)
    of_features, *of_parameters = errors_of_gradients(module, features, weight)
    assert of_features <= 1e-6 and max(of_parameters) <= 1e-3  # these nearly cancel


@BOTH
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("in_c", [True, False])
@pytest.mark.parametrize(("width", "middle"), [(13, 0), (64, 0), (300, 0), (70, 0.2)])
def test_gradients_by_powers(monkeypatch, normalize, masked, in_c, width, middle):
    taken = ways(monkeypatch)
    module = module_of(normalize).double()
    module.fused = in_c
    torch.manual_seed(2)
    features = (torch.randn(2, 5, width, dtype=torch.float64) * 0.05 + middle).requires_grad_()
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5]) if masked else None
    weight = torch.randn(2, 5, width, dtype=torch.float64)
    inputs = (features, *module.parameters())
    found = torch.autograd.grad((module(features, mask) * weight).sum(), inputs)
    exact = torch.autograd.grad((written_out(module, features, mask) * weight).sum(), inputs)
    assert taken == ["powers", "powers"]
    for one, other in zip(found, exact):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@BOTH
@pytest.mark.parametrize("bags", [1, 2])
def test_a_longer_map_on_more_threads_than_bags(threads, normalize, bags):
    threads(3)
    features = (torch.randn(bags, 150, 1000, dtype=torch.float64) * 0.02).requires_grad_()
    mask = torch.arange(150).expand(bags, 150) < 131
    module, weight = module_of(normalize).double(), torch.randn(bags, 150, 1000, dtype=torch.float64)
    results = []
    for module.fused in (False, True):
        out = module(features, mask)
        results.append((out, *torch.autograd.grad((out * weight).sum(), (features, *module.parameters()))))
    for one, other in zip(*results):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@BOTH
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("in_c", [True, False])
@pytest.mark.parametrize("width", [64, 70])
def test_without_gradients_the_same_and_the_input_stays_as_it_was(normalize, masked, in_c, width):
    features = torch.rand(2, 5, width) * 0.1
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5]) if masked else None
    before, module = features.clone(), module_of(normalize)
    module.fused = in_c
    with torch.no_grad():
        found = module(features, mask)
    assert torch.equal(features, before)
    torch.testing.assert_close(found, module(features, mask), rtol=1e-6, atol=1e-7)


def test_training_after_scoring():
    """What is kept between calls was not made for inference alone."""
    polynomial._transform.cache_clear()
    features = torch.rand(1, 4, 16) * 0.1
    with torch.inference_mode():
        module_of()(features)
    module_of()(features).sum().backward()


def test_gradients_within_autocast_are_those_outside():
    module, features = module_of(), (torch.rand(2, 4, 40) * 0.1).requires_grad_()
    outside = torch.autograd.grad(module(features).square().sum(), (features, *module.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        within = torch.autograd.grad(module(features).square().sum(), (features, *module.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(outside, within))


@pytest.mark.parametrize("reach", [1e-30, 1e-39])
def test_the_smallest_features(reach):
    features = torch.full((1, 3, 8), reach)
    torch.testing.assert_close(module_of()(features), 2.0**2 * features, rtol=1e-3, atol=0)


def test_c3d_size_in_float32():
    assert error(module_of(), torch.rand(1, 32, 1024) * 0.03) <= 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_signed_features_and_any_weights(seed):
    torch.manual_seed(seed + 100)
    features = torch.randn(1, 6, 40, dtype=torch.float64)
    assert error(module_of(seed=seed, channels=3), features) <= 1e-11  # signed values cancel in what is divided by


def test_parts_add_up():
    """A map larger than what is worked on at a time."""
    features = torch.rand(2, 2 * PART // 128 + 3, 128, dtype=torch.float64)
    module = module_of(passes=1)
    rows = torch.tensor([0, 500, features.shape[1] - 1])
    query, key = (layer.weight.flatten() * features[..., None] + layer.bias for layer in (module.query, module.key))
    query, key = (v / v.norm(dim=-1, keepdim=True) for v in (query, key))
    row = torch.einsum("bicd,bied->bice", query[:, rows], key[:, rows]).exp()
    column = torch.einsum("bicd,bjcd->bicj", query[:, rows], key).exp()
    column[:, torch.arange(len(rows)), :, rows] = 0
    total = row.sum(-1) + column.sum(-1)
    weighted = torch.einsum("bice,bie->bic", row, features[:, rows]) + torch.einsum("bicj,bjc->bic", column, features)
    expected = features[:, rows] + weighted / total
    torch.testing.assert_close(module(features)[:, rows], expected, rtol=1e-12, atol=1e-12)


@BOTH
def test_masked_clips_neither_give_nor_take(normalize):
    module, features = module_of(normalize), torch.rand(2, 7, 20, dtype=torch.float64)
    mask = torch.tensor([[True] * 5 + [False] * 2, [True] * 7])
    found = module(features, mask)
    torch.testing.assert_close(found[0, :5], module(features[:1, :5])[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[1], module(features[1:])[0], rtol=1e-12, atol=1e-12)
    assert torch.equal(found[0, 5:], features[0, 5:])
    assert error(module, features, mask) <= 1e-12


@BOTH
@pytest.mark.parametrize("shape", [(1, 1, 30), (1, 9, 1), (1, 1, 1), (3, 2, 2)])
def test_smallest_maps(normalize, shape):
    assert error(module_of(normalize), torch.rand(shape, dtype=torch.float64)) <= 1e-12


def zero_bias(module):
    module.query.bias.zero_()
    module.key.bias.zero_()


def parallel(module):
    module.query.bias.copy_(-2 * module.query.weight.flatten())


def no_weight(module):
    module.query.weight.zero_()
    module.key.weight.zero_()


def nothing(module):
    for parameter in module.parameters():
        parameter.zero_()


@BOTH
@pytest.mark.parametrize("degenerate", [zero_bias, parallel, no_weight, nothing])
@pytest.mark.parametrize("channels", [1, 10])
@pytest.mark.parametrize("shape", [(1, 5, 30), (1, 4, 1)])
def test_degenerate_weights(normalize, degenerate, channels, shape):
    module = module_of(normalize, channels)
    with torch.no_grad():
        degenerate(module)
    features = torch.rand(*shape, dtype=torch.float64, requires_grad=True)
    assert error(module, features.detach()) <= 1e-7  # OFFSET turns a vector on the origin's line by 1e-8
    module(features).square().sum().backward()
    for parameter in (features, *module.parameters()):
        assert parameter.grad.isfinite().all()


def test_zero_features():
    assert torch.equal(module_of()(torch.zeros(1, 4, 8)), torch.zeros(1, 4, 8))


@BOTH
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(normalize, masked):
    module = module_of(normalize, channels=4).double()
    features = torch.rand(2, 4, 6, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, True, False], [True] * 4]) if masked else None
    names = [name for name, _ in module.named_parameters()]

    def call(features, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters)), (features, mask))

    assert torch.autograd.gradcheck(call, (features, *module.parameters()))


@BOTH
def test_gradients_are_those_of_the_written_out_form(normalize):
    module, features = module_of(normalize).double(), torch.rand(1, 6, 50, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(1, 6, 50, dtype=torch.float64)
    inputs = (features, *module.parameters())
    found = torch.autograd.grad((module(features) * weight).sum(), inputs)
    exact = torch.autograd.grad((written_out(module, features) * weight).sum(), inputs)
    for one, other in zip(found, exact):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@BOTH
@pytest.mark.parametrize("filling", [0.0, 0.7])
def test_one_real_clip_among_padding(normalize, filling):
    module = module_of(normalize).double()
    clip = torch.rand(1, 1, 8, dtype=torch.float64)
    features = torch.cat([clip, torch.full((1, 3, 8), filling, dtype=torch.float64)], 1).requires_grad_()
    out = module(features, torch.tensor([[True, False, False, False]]))
    torch.testing.assert_close(out[:, :1], module(clip))
    torch.testing.assert_close(out[:, 1:], features[:, 1:])
    out.square().sum().backward()
    assert all(t.grad.isfinite().all() for t in (features, *module.parameters()))


def test_lower_precision_has_float32_moments():
    module, features = module_of(), torch.rand(1, 8, 64)
    low = features.bfloat16()
    assert module(low).dtype == torch.bfloat16
    assert torch.equal(module(low), module(low.float()).bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        within = module(features)
    assert within.dtype == torch.float32 and torch.equal(within, module(features))


@BOTH
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", [(2, 6, 32), (3, 70, 300), (1, 1, 1)])
def test_fused_and_eager_agree(normalize, masked, shape):
    eager, quick = module_of(normalize).double(), module_of(normalize).double()
    eager.fused = False
    if reason := compiled.unavailable():
        pytest.skip(reason)
    mask = torch.arange(shape[1]).expand(shape[:2]) < max(1, shape[1] - 2) if masked else None
    results = []
    for module in (eager, quick):
        features = torch.linspace(0, 1, math.prod(shape), dtype=torch.float64).view(shape).requires_grad_()
        out = module(features, mask)
        out.square().sum().backward()
        results.append((out, features.grad, *(p.grad for p in module.parameters())))
    for one, other in zip(*results):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@BOTH
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("shape", "scale", "middle"),
    [((2, 40, 150), 0.03, 0), ((1, 1, 1), 0.03, 0), ((2, 9, 70), 0.15, 0), ((2, 9, 70), 0.03, 0.1)],
)
def test_kernels_for_a_gpu(monkeypatch, normalize, masked, dtype, shape, scale, middle):
    """By Triton's interpreter where there is none: the written-out form and its gradients."""
    gpu = pytest.importorskip("stavad.train.kernels.gpu")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = module_of(normalize).to(device, dtype)
    monkeypatch.setattr(SpatialTemporalAttention, "_loops", lambda self, device: gpu)
    torch.manual_seed(3)
    features = (
        torch.randn(shape, dtype=torch.float64).to(device, dtype).pow(3).clamp(-3, 3) * scale + middle
    ).requires_grad_()
    mask = (
        (torch.arange(shape[1], device=device)[:, None].expand(shape[1::-1]) < max(1, shape[1] - 2)).mT
        if masked
        else None
    )
    weight = torch.randn(shape, dtype=torch.float64).to(device, dtype)
    taken = ways(monkeypatch)
    found = module(features, mask)
    gradients = torch.autograd.grad((found * weight).sum(), (features, *module.parameters()))
    assert taken == ["powers", "powers"]
    module, exact = module.double(), features.detach().double().requires_grad_()
    out = written_out(module, exact, mask)
    expected = torch.autograd.grad((out * weight).sum(), (exact, *module.parameters()))
    bound = 1e-6 if dtype == torch.float32 else 1e-12
    assert (found.double() - out).norm() <= bound * (out - exact).norm()
    for one, other in zip(gradients, expected):
        assert (one.double() - other).norm() <= 1e3 * bound * other.norm() + bound


COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from stavad.train.kernels import gpu

masked = {"V": 1, "PLACE": 0, "ONES": True, "MASKED": True, "value": None}
whole = {"V": 2, "PLACE": 1, "ONES": False, "MASKED": False, "keep": None}
single = masked | {"B": 1, "N": 1, "C": 1, "MASKED": False, "keep": None}  # as Triton takes numbers that are 1
tiles = {gpu._gather: gpu.SUMMED, gpu._given: gpu.SUMMED, gpu._attend: gpu.WRITTEN, gpu._derive: gpu.WRITTEN}
for kernel, tile in tiles.items():
    for kind, fixed in (("*fp32", masked), ("*fp32", single), ("*fp64", whole)):
        known = {name: value for name, value in (fixed | tile).items() if name in kernel.arg_names}
        kinds = {name: "constexpr" if name in known else "i32" if name in "BNCKQ" else kind for name in kernel.arg_names}
        places = {(kernel.arg_names.index(name),): value for name, value in known.items()}
        source, target = ASTSource(kernel, kinds, places), GPUTarget("cuda", 90, 32)
        assert triton.compile(source, target=target, options={"num_warps": tile["num_warps"]}).asm["cubin"]
"""


@pytest.mark.slow
def test_kernels_for_a_gpu_compile_for_one(tmp_path):
    pytest.importorskip("stavad.train.kernels.gpu")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", COMPILED], env=environment, check=True)


def test_a_transposed_view_is_attended_like_its_copy():
    module, features = SpatialTemporalAttention(), torch.rand(2, 30, 7)
    assert torch.equal(module(features.mT), module(features.mT.contiguous()))


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler here")
def test_the_loops_in_c_compile_here():
    """Or every other test would only look at the tensor operations."""
    assert not compiled.unavailable()


def test_without_a_compiler_the_reason_is_told(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    compiled.library.cache_clear()
    with pytest.raises(compiled.Unavailable, match="no C compiler"):
        compiled.library("powers.c", torch.float32)
    compiled.library.cache_clear()


def test_parameters_have_the_papers_names():
    shapes = {name: tuple(p.shape) for name, p in module_of().named_parameters()}
    assert shapes == {
        "query.weight": (10, 1, 1, 1),
        "query.bias": (10,),
        "key.weight": (10, 1, 1, 1),
        "key.bias": (10,),
    }


@pytest.mark.parametrize("wrong", [torch.rand(4, 5), torch.rand(1, 1, 4, 5)])
def test_wrong_shape(wrong):
    with pytest.raises(ValueError, match="B, N, C"):
        module_of()(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("form", OPERATIONS)
def test_a_training_step_stays_at_its_number_of_operations(monkeypatch, form):
    """Of tensors, in the tensor form: in parts as on a CPU, whole as on a GPU, where each costs a launch. (60, 32, 4096), forward and backward."""
    if form == "whole":
        monkeypatch.setattr(eager, "parts", lambda features: [(slice(None), slice(None))])
    module, features = module_of(), (torch.rand(60, 32, 4096) - 0.5) * 0.3
    module.fused = False

    class Counted(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
            self.count += 1
            return operation(*arguments, **(keywords or {}))

    with Counted() as counted:
        module(features).sum().backward()
    assert counted.count <= OPERATIONS[form]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_gpu_as_on_a_cpu(monkeypatch):
    """By the kernels on a bounded range, by tensor operations on a wide one."""
    assert not unfused(torch.device("cuda"))
    for scale, way in ((0.1, "powers"), (50.0, "angles")):
        module, features = module_of(), torch.rand(2, 32, 256) * scale
        expected = module(features)
        taken = ways(monkeypatch)
        torch.testing.assert_close(module.cuda()(features.cuda()).cpu(), expected, rtol=1e-5, atol=1e-6)
        assert taken == [way, way]
        monkeypatch.undo()
    # more tiles than a grid of three dimensions may have
    module, features = module_of(), torch.rand(70_000, 1, 4) * 0.1
    expected = module(features)
    torch.testing.assert_close(module.cuda()(features.cuda()).cpu(), expected, rtol=1e-5, atol=1e-6)
