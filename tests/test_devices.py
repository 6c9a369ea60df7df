"""What a device can do, and what is computed in there."""

import pytest
import torch

from mocotool import devices
from mocotool.devices import (
    describe_device,
    describe_gpu,
    find_idle_gpus,
    full_precision,
    measured_convolutions,
    one_thread,
    read_driver_version,
    resolve_device,
    resolve_precision,
)
from mocotool.errors import ConfigError, MocoWarning
from mocotool.generators.loading import load_generator

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_processor_computes_in_these(name, dtype):
    assert resolve_precision(name, CPU) is dtype


def test_float16_is_for_other_devices_than_the_processor():
    assert resolve_precision("fp16", CUDA) is torch.float16
    with pytest.raises(ConfigError, match="--precision fp16: not supported on the CPU"):
        resolve_precision("fp16", CPU)


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


@pytest.fixture
def cudnn(monkeypatch):
    """Torch's switches of cuDNN as they are at first, and again after the test."""
    switches = torch.backends.cudnn
    for name, value in {"benchmark": False, "deterministic": False, "allow_tf32": False}.items():
        monkeypatch.setattr(switches, name, value)
    return switches


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_lets_cudnn_try_what_is_quickest(dtype, cudnn):
    with measured_convolutions(CUDA, dtype):
        assert cudnn.benchmark

    assert not cudnn.benchmark


def test_tf32_does_too_and_float32_proper_does_not(cudnn):
    with measured_convolutions(CUDA, torch.float32):
        assert not cudnn.benchmark
    cudnn.allow_tf32 = True
    with measured_convolutions(CUDA, torch.float32):
        assert cudnn.benchmark


def test_neither_a_processor_nor_determinism_tries_anything(cudnn):
    with measured_convolutions(CPU, torch.bfloat16):
        assert not cudnn.benchmark
    cudnn.deterministic = True
    with measured_convolutions(CUDA, torch.bfloat16):
        assert not cudnn.benchmark


def test_full_precision_tries_nothing_and_stays_deterministic(cudnn):
    cudnn.deterministic = cudnn.benchmark = True

    with full_precision():
        assert (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == (False, True, False)

    assert cudnn.benchmark


def test_tf32_on_the_cpu_is_a_sentence():
    with pytest.raises(ConfigError, match="--precision tf32: only CUDA devices support it"):
        resolve_precision("tf32", torch.device("cpu"))


# Which GPU, what of it, and what is left unused


@pytest.fixture
def a_turing_card(monkeypatch):
    """Two GPUs that compute in fp16 but not in bf16."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))


@pytest.fixture
def driver_file(monkeypatch, tmp_path):
    """The system's word on the driver, and a GPU among its devices."""
    path = tmp_path / "version"
    path.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.08  Sat Feb 17 22:55:48 UTC 2024\n"
        "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
    )
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(devices, "DRIVER_FILE", path)
    monkeypatch.setattr(devices, "DEVICE_FILES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    devices._warn_of_unusable_gpu.cache_clear()
    yield path
    devices._warn_of_unusable_gpu.cache_clear()


def test_a_gpu_without_bf16_computes_in_fp32_and_says_so(a_turing_card):
    with pytest.warns(MocoWarning, match="Tesla T4 has no bf16, so fp32 is taken"):
        assert resolve_precision("bf16", CUDA) is torch.float32

    assert resolve_precision("auto", CUDA) is torch.float32


def test_the_device_is_named_with_its_model_and_precision(a_turing_card, torchs_own_settings):
    gpu = resolve_device("auto")

    assert describe_device(gpu, torch.float16) == "cuda:0 (Tesla T4) in fp16"
    assert describe_device(gpu, resolve_precision("tf32", gpu)) == "cuda:0 (Tesla T4) in tf32"
    assert describe_device(gpu, resolve_precision("fp32", gpu)) == "cuda:0 (Tesla T4) in fp32"
    assert describe_device(CPU, torch.bfloat16) == "the CPU in bf16"


def test_a_second_gpu_is_mentioned_unless_it_is_used(a_turing_card, monkeypatch):
    assert "torchrun --nproc-per-node 2 -m mocotool" in find_idle_gpus(resolve_device("auto"))
    assert find_idle_gpus(CPU) is None
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert find_idle_gpus(resolve_device("auto")) is None


def test_a_run_records_gpu_and_driver(a_turing_card, driver_file):
    facts = describe_gpu(resolve_device("auto"))

    assert facts["gpu"] == "Tesla T4"
    assert facts["driver"] == "535.161.08"
    assert describe_gpu(CPU) == {}


def test_a_driver_is_read_or_not_told(driver_file):
    assert read_driver_version() == "535.161.08"
    driver_file.unlink()
    assert read_driver_version() is None


def test_a_gpu_that_torch_cannot_use_is_said_once(driver_file, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")

    with pytest.warns(MocoWarning, match="CUDA 13.0 cannot use its driver, 535.161.08; the CPU"):
        assert resolve_device("auto") == CPU
    assert resolve_device("auto") == CPU


def test_a_gpu_that_the_user_hides_is_not_mentioned(driver_file, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    assert resolve_device("auto") == CPU


def test_a_generator_loaded_without_a_word_computes_in_full_precision(
    toy_generator_path, torchs_own_settings, monkeypatch
):
    monkeypatch.setattr(devices, "_is_chosen", False)

    load_generator(toy_generator_path)

    assert not torch.backends.cudnn.allow_tf32


def test_a_chosen_tf32_stays_when_a_generator_is_loaded(toy_generator_path, torchs_own_settings):
    resolve_precision("tf32", CUDA)

    load_generator(toy_generator_path)

    assert torch.backends.cudnn.allow_tf32


# Threads


def test_small_steps_take_one_thread_of_a_processor(monkeypatch):
    threads = [4]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)

    with one_thread(CUDA):
        assert threads == [4]
    with one_thread(CPU):
        assert threads == [4, 1]

    assert threads == [4, 1, 4]
