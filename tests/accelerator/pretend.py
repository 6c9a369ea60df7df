"""A pretend accelerator: tensors that say they are elsewhere, and compute on the CPU.

It does what a GPU does to a program, without one. Tensors here and there do not mix, a random
generator of one does not serve the other, and whatever the host must wait for is counted, as are
the kernels that would be launched and the copies between the two. Launches are those of operations
that compute; views and empty memory are free. The device has to be known before the process first
differentiates, so this module is imported where tests are collected.
"""

import collections
import contextlib
import dataclasses
import functools
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch.utils import _foreach_utils
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import mocotool
from mocotool import devices

if torch.cuda.is_available():
    pytest.skip("torch takes a real accelerator or a pretended one", allow_module_level=True)

NAME = "pretend"


class Backend:
    """What torch asks of the device; outside the block there is none."""

    is_there = False

    def is_initialized(self):
        return True

    def is_available(self):
        return Backend.is_there

    def device_count(self):
        return int(Backend.is_there)

    def current_device(self):
        return 0

    def _is_in_bad_fork(self):
        return False

    def manual_seed_all(self, seed):
        pass

    def get_rng_state(self, device=0):
        return torch.zeros(1, dtype=torch.uint8)

    def set_rng_state(self, state, device=0):
        pass

    def get_amp_supported_dtype(self):
        return [torch.float16, torch.bfloat16]


_setup_privateuseone_for_python_backend(NAME, backend_module=Backend())
DEVICE = torch.device(NAME, 0)
PACKAGE = str(Path(mocotool.__file__).parent)
STAGED_BYTES = 2**16  # so much of pageable memory is taken over at once, without waiting

SPOKEN = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "is_nonzero")
INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index")
FREE = frozenset(
    """
    view _unsafe_view _reshape_alias expand permute transpose t slice select unsqueeze squeeze
    detach alias as_strided split split_with_sizes unbind unfold diagonal empty empty_like
    new_empty empty_strided new_empty_strided lift_fresh view_as_real real imag
    """.split()  # noqa: SIM905 - a list of names reads better in lines
)


class MixedDevicesError(RuntimeError):
    """What a real device would refuse: tensors or a random generator of another one."""


@dataclasses.dataclass
class Counts:
    """What the host did, since the last `reset`."""

    launches: int = 0
    waits: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    copies: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    """Both by operation and place in the package."""

    def reset(self):
        self.launches = 0
        self.waits.clear()
        self.copies.clear()

    def totals(self):
        return {
            "launches": self.launches,
            "waits": self.waits.total(),
            "copies": self.copies.total(),
        }


COUNTS = Counts()


class PretendTensor(torch.Tensor):
    """A tensor whose numbers are in `inner`, on the CPU."""

    @staticmethod
    def __new__(cls, inner):
        with torch.inference_mode(False):  # views of its tensors cannot be wrapped
            outer = torch.Tensor._make_wrapper_subclass(
                cls,
                inner.size(),
                strides=inner.stride(),
                storage_offset=inner.storage_offset(),
                dtype=inner.dtype,
                device=DEVICE,
            )
        outer.inner = inner
        return outer

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})

    def __deepcopy__(self, memo):
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        copied.__dict__.update({k: v for k, v in self.__dict__.items() if k == "_is_param"})
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, protocol):  # files hold tensors of the CPU
        _copy("save")
        return self.inner.__reduce_ex__(protocol)

    def tolist(self):
        return self.cpu().tolist()

    def untyped_storage(self):
        return self.inner.untyped_storage()

    def __repr__(self):
        return f"PretendTensor({list(self.shape)}, {self.dtype})"


class PretendGenerator(torch.Generator):
    """A random generator that remembers which device it was made for."""

    places = {}

    def __new__(cls, device="cpu"):
        generator = super().__new__(cls, "cpu")
        cls.places[generator._cdata] = torch.device(device)
        return generator

    def __init__(self, device="cpu"):
        pass


class _Factories(TorchDispatchMode):
    """Makes new tensors on the pretend device; operations on those that are there need no mode."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _run(func, args, kwargs):
    if _is_composite(func):
        with _Factories():
            return func.decompose(*args, **kwargs)
    name = func._schema.name.partition("::")[2]
    tensors = [x for x in _leaves((*args, *kwargs.values())) if isinstance(x, torch.Tensor)]
    there = [x for x in tensors if isinstance(x, PretendTensor)]
    asked = kwargs.get("device")
    to_there = bool(there) if asked is None else torch.device(asked).type == NAME
    if name in ("_to_copy", "copy_", "is_pinned", "_pin_memory"):
        return _transfer(func, name, args, kwargs, to_there)
    if not there and not to_there:
        _check_generator(name, kwargs, "cpu")
        return _outside(func, args, kwargs)

    _check_generator(name, kwargs, NAME)
    _check_mixing(name, args, [x for x in tensors if not isinstance(x, PretendTensor)])
    masks = [x for x in there if x is not args[0] and x.dtype in (torch.bool, torch.uint8)]
    if name in SPOKEN or name in INDEXING and masks:
        COUNTS.waits[f"{name} {_place()}"] += 1
    COUNTS.launches += name not in FREE
    out = _outside(EMULATED.get(name, func), args, kwargs)
    if func._schema.is_mutable:
        return _written(func, args, kwargs)
    return _wrap(out)


def _outside(func, args, kwargs):
    """Compute on the CPU, seen by no mode."""
    if kwargs.get("device") is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    if kwargs.get("pin_memory"):
        kwargs = kwargs | {"pin_memory": None}
    args, kwargs = _unwrap(args), {name: _unwrap(value) for name, value in kwargs.items()}
    with torch._C._DisableTorchDispatch():
        return func(*args, **kwargs)


def _leaves(values):
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value


def _unwrap(value):
    if isinstance(value, PretendTensor):
        return value.inner
    return type(value)(map(_unwrap, value)) if isinstance(value, list | tuple) else value


def _wrap(value):
    if isinstance(value, torch.Tensor):
        return PretendTensor(value)
    return type(value)(map(_wrap, value)) if isinstance(value, list | tuple) else value


@functools.cache
def _is_composite(func):
    """Whether torch takes an operation apart; in inference mode it comes here whole."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


def _written(func, args, kwargs):
    """Return the arguments that an operation in place has written, as it would itself."""
    written = [
        args[i] if i < len(args) else kwargs[argument.name]
        for i, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    count = len(func._schema.returns)
    return None if count == 0 else written[0] if count == 1 else tuple(written)


def _transfer(func, name, args, kwargs, to_there):
    """Copy from one device to the other or on one; pin memory of the host."""
    if name == "is_pinned":
        return getattr(args[0], "is_pretend_pinned", False)
    if name == "_pin_memory":
        pinned = args[0].clone()
        pinned.is_pretend_pinned = True
        return pinned
    target, source = (args[0], args[1]) if name == "copy_" else (None, args[0])
    was_there = isinstance(source, PretendTensor)
    if target is not None:
        to_there = isinstance(target, PretendTensor)
    if was_there != to_there:
        non_blocking = kwargs.get("non_blocking") or name == "copy_" and args[2:] == (True,)
        is_large = source.nbytes > STAGED_BYTES and not getattr(source, "is_pretend_pinned", False)
        _copy(name, waits=was_there or not non_blocking or is_large)
    elif to_there:
        COUNTS.launches += 1
    out = _outside(func, args, kwargs)
    if target is not None:
        return target
    return PretendTensor(out) if to_there else out


def _copy(name, *, waits=True):
    COUNTS.copies[f"{name} {_place()}"] += 1
    if waits:
        COUNTS.waits[f"{name} {_place()}"] += 1


def _check_mixing(name, args, here):
    """Refuse tensors of the host, but for single numbers and places to pick from."""
    for tensor in here:
        if name in INDEXING and tensor.dtype in (torch.int64, torch.bool) and tensor is not args[0]:
            _copy(f"{name} by places on the CPU")
        elif tensor.ndim:
            raise MixedDevicesError(f"{name} {_place()}: {list(tensor.shape)} is on the CPU")


def _check_generator(name, kwargs, wanted):
    generator = kwargs.get("generator")
    if generator is not None:
        place = PretendGenerator.places.get(generator._cdata, generator.device).type
        if place != wanted:
            raise MixedDevicesError(f"{name} {_place()}: generator of {place}, tensor on {wanted}")


def _place():
    """Return the innermost line of the package that asked for what is under way."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(PACKAGE):
            return f"{frame.f_code.co_filename.removeprefix(PACKAGE + '/')}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"


def _lstm_cell(from_input, from_hidden, cell, input_bias=None, hidden_bias=None):
    """Do what one kernel does on a GPU; the CPU has none of it."""
    gates = from_input + from_hidden
    if input_bias is not None:
        gates = gates + input_bias + hidden_bias
    i, f, g, o = gates.chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    new_cell = f * cell + i * g
    return o * new_cell.tanh(), new_cell, torch.cat([i, f, g, o], 1)


def _lstm_cell_backward(grad_hidden, grad_cell, cell, new_cell, gates, has_bias):
    i, f, g, o = gates.chunk(4, 1)
    shown = new_cell.tanh()
    grad_hidden = torch.zeros_like(cell) if grad_hidden is None else grad_hidden
    through = grad_hidden * o * (1 - shown * shown) + (0 if grad_cell is None else grad_cell)
    grads = [
        through * g * i * (1 - i),
        through * cell * f * (1 - f),
        through * i * (1 - g * g),
        grad_hidden * shown * o * (1 - o),
    ]
    grad = torch.cat(grads, 1)
    return grad, through * f, grad.sum(0) if has_bias else torch.empty(0)


EMULATED = {
    "_thnn_fused_lstm_cell": _lstm_cell,
    "_thnn_fused_lstm_cell_backward_impl": _lstm_cell_backward,
}


@contextlib.contextmanager
def pretend_device():
    """Compute on the pretend device in the block, wherever `--device pretend` is asked for."""
    real_resolve, real_tensor = devices.resolve_device, torch.tensor

    def resolve(name):
        return DEVICE if name == NAME else real_resolve(name)

    def tensor(data, *, device=None, **kwargs):  # torch's own copies past every mode
        made = real_tensor(data, **kwargs)
        return made if device is None else made.to(device)

    with contextlib.ExitStack() as stack:
        for module in [m for name, m in sys.modules.items() if name.startswith("mocotool")]:
            if getattr(module, "resolve_device", None) is real_resolve:
                stack.enter_context(mock.patch.object(module, "resolve_device", resolve))
        stack.enter_context(mock.patch.object(torch, "tensor", tensor))
        stack.enter_context(mock.patch.object(torch, "Generator", PretendGenerator))
        for module in (_foreach_utils, sys.modules["torch.optim.optimizer"]):
            if hasattr(module, "_foreach_supported_types"):
                types = [*module._foreach_supported_types, PretendTensor]
                stack.enter_context(mock.patch.object(module, "_foreach_supported_types", types))
        stack.enter_context(mock.patch.object(Backend, "is_there", True))
        stack.enter_context(_Factories())
        COUNTS.reset()
        yield COUNTS
