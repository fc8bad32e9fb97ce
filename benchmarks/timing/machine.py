"""The measured machine: time, peak memory and name. Peaks on a CPU need Linux."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def describe(device: torch.device) -> str:
    """The device's name in the results: the card's own name, or a CPU's cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {cores()} cores"


def cores() -> int:
    """Number of cores this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time of one call on an idle device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begin = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def peak_mb(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Peak memory of one call in MiB: (of the whole process or card, beyond the memory held before)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device) / 2**20
        work()
        torch.cuda.synchronize(device)
        most = torch.cuda.max_memory_allocated(device) / 2**20
    else:
        gc.collect()
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)  # free heap of earlier work would hide new peaks
        FORGET.write_text("5")  # resets the peak to the memory resident now
        before = _status("VmRSS")
        work()
        most = _status("VmHWM")
    return most, most - before


def free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) * 1024


def _status(field: str) -> float:
    return int(STATUS.read_text().split(f"{field}:")[1].split()[0]) / 1024
