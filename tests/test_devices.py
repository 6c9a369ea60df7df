"""What a device can do, and what training may compute in."""

import pytest
import torch

from mocotool.devices import check_training_precision, resolve_precision, resolve_training_precision
from mocotool.errors import ConfigError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_training_takes_these_as_everything_else_does(name, dtype):
    assert resolve_training_precision(name, CPU) is resolve_precision(name, CPU) is dtype


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_training_in_float16_is_refused_on_every_device(device):
    with pytest.raises(ConfigError, match="lose small gradients") as error:
        resolve_training_precision("fp16", device)

    assert "--precision bf16 or fp32" in error.value.hint


def test_rendering_in_float16_is_not_refused_on_a_gpu():
    assert resolve_precision("fp16", CUDA) is torch.float16


def test_a_trainer_refuses_float16_too():
    with pytest.raises(ConfigError):
        check_training_precision(torch.float16)
    check_training_precision(torch.bfloat16)


@pytest.fixture
def torchs_own_settings():
    """TF32 as torch has it by default, and again after the test."""
    torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("name", ["fp32", "bf16", "auto"])
def test_convolutions_round_to_tf32_only_where_asked(name, torchs_own_settings):
    gpu = torch.device("cuda")

    assert resolve_precision("tf32", gpu) is torch.float32
    assert torch.backends.cudnn.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32

    resolve_precision(name, torch.device("cpu"))
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_tf32_on_the_cpu_is_a_sentence():
    with pytest.raises(ConfigError, match="--precision tf32: a CUDA device alone has it"):
        resolve_precision("tf32", torch.device("cpu"))
