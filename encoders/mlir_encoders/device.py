"""The device that a model computes on: which one, its threads, its memory, copies to it."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlir_encoders.budget import Budget
from mlir_harness.errors import Unavailable

if TYPE_CHECKING:
    import torch

# Padded tokens a batch. On two cores small batches stay in the cache; a GPU wants to be filled,
# and once it is, larger batches only take memory.
CPU_TOKEN_BUDGET = 1_536
CUDA_TOKEN_BUDGET = 32_768
_CUDA_TRIAL = 4_096
# What one more batch costs, in tokens: Python and the launching of kernels.
_CPU_CALL = 256
_CUDA_CALL = 2_048
# What torch says where it raises no OutOfMemoryError: its CPU allocators, cuBLAS, cuDNN.
_RAN_OUT = (
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDA out of memory",
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def chosen(name: str, precision: str) -> str:
    """The device that `name` (auto, cpu or cuda) stands for here.

    Raises:
        Unavailable: there is no such device, or it cannot compute in this precision.
    """
    import torch

    gpu = torch.cuda.is_available()
    if name == "cuda" and not gpu:
        raise Unavailable("torch sees no GPU here", "use device=cpu, or install torch with CUDA")
    device = ("cuda" if gpu else "cpu") if name == "auto" else name
    if device == "cpu" and precision == "fp16":
        raise Unavailable("fp16 needs a GPU, and torch sees none", "use precision=bf16 or fp32")
    if device == "cuda" and precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise Unavailable("this GPU does not compute in bf16", "use precision=fp16 or fp32")
    return device


def set_threads() -> None:
    """As many threads as processors that may be used, unless the user has said how many."""
    import torch

    if not any(os.environ.get(name) for name in _THREADS):
        torch.set_num_threads(min(torch.get_num_threads(), processors()))


def processors(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Processors this process may use; torch counts the machine's, whatever a container allows."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        share, period = quota.read_text(encoding="ascii").split()
        return max(1, min(cores, round(int(share) / int(period))))
    except (OSError, ValueError):  # no such file, or the quota is "max"
        return cores


def budget(device: torch.device, asked: int | None) -> Budget:
    """Tokens a batch on this device: as asked, else what is worth it and, on a GPU, fits."""
    gpu = device.type == "cuda"
    call = _CUDA_CALL if gpu else _CPU_CALL
    if gpu and asked is None:
        return Budget.found(CUDA_TOKEN_BUDGET, _CUDA_TRIAL, call)
    return Budget.fixed(asked or CPU_TOKEN_BUDGET, call)


def copied(features: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """The features with their tensors on the device; a new dictionary, which modules write into.

    A copy to a GPU starts from pinned memory and is not waited for. As a forward pass is not
    waited for either, the next batch is made while the GPU works on this one.
    """
    held = dict(features)
    for name, value in features.items():
        if hasattr(value, "to"):
            pinned = hasattr(value, "pin_memory") and device.type == "cuda"
            held[name] = (value.pin_memory() if pinned else value).to(device, non_blocking=True)
    return held


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """`budget.Memory` of a torch device. That of a CPU cannot be measured: others use it too."""

    device: torch.device

    def watch(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def used(self) -> tuple[int, int] | None:
        import torch

        if self.device.type != "cuda":
            return None
        held = torch.cuda.memory_allocated(self.device)
        free, _ = torch.cuda.mem_get_info(self.device)
        kept = torch.cuda.memory_reserved(self.device) - held  # by torch, for the next batch
        return torch.cuda.max_memory_allocated(self.device) - held, free + kept

    def ran_out(self, error: BaseException) -> bool:
        return ran_out(error)

    def release(self) -> None:
        release(self.device.type)


def ran_out(error: BaseException) -> bool:
    """Whether `error` is of memory that ran out, on whatever device."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _RAN_OUT)


def release(device: str) -> None:
    """Give memory that is no longer used back to the system."""
    gc.collect()  # modules refer to each other, and weights are too large to wait
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()
    if sys.platform == "linux":
        # glibc keeps what was freed in the middle of its heap, until it is asked.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
