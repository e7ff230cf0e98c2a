"""What Linux says of cores, CPU model and memory in /proc and /sys, read in microseconds."""

from __future__ import annotations

from io import FileIO
from typing import Final

from amorsize.domain.values import MAX_CPUS

_CHUNK: Final = 4096
"""Bytes that are read at once: a page, which is what the kernel gives."""
_MOST_READ: Final = 2**20
"""Bytes of a file that are read: our choice, so that reading ends."""
_CPUINFO_STARTS: Final = (256, 2048)
"""Bytes of /proc/cpuinfo that are read for the CPU model: it mostly stands in the first few lines."""
_KIBIBYTE: Final = 1024
"""What /proc/meminfo counts in."""
_MODEL_KEYS: Final = ("model name", "cpu model", "cpu", "Processor")
"""What architectures call the CPU model in /proc/cpuinfo, the most common name first."""


def read(path: str, limit: int = _MOST_READ) -> bytes | None:
    """Return a file's text up to about limit bytes, None when it cannot be read."""
    text = b""
    try:
        with FileIO(path) as file:  # an object, which Ctrl-C cannot leave open
            # The kernel may hand out a page at a time.
            while len(text) < limit and (part := file.read(min(limit, _CHUNK))):
                text += part
    except OSError:
        return None
    return text


def memory(root: str) -> tuple[int, int] | None:
    """Return the available and the total bytes that /proc/meminfo lists, None when it does not."""
    text = b"\n" + (read(f"{root}/proc/meminfo") or b"")
    available, total = (
        _whole(text.partition(name)[2].partition(b"\n")[0].removesuffix(b"kB").strip())
        for name in (b"\nMemAvailable:", b"\nMemTotal:")
    )
    if available is None or total is None:
        return None
    return available * _KIBIBYTE, total * _KIBIBYTE


def cpu_model(root: str) -> str:
    """Return the first CPU's model, on ARM its implementer and part, and "" when there is none to read.

    Only the file's beginning is read, and no more of it than it takes, as the kernel asks every CPU it writes about.
    """
    for limit in _CPUINFO_STARTS:
        facts: dict[str, str] = {}
        text = read(f"{root}/proc/cpuinfo", limit) or b""
        whole = text if len(text) < limit else text[: text.rfind(b"\n") + 1]  # the last line may be cut off
        for line in whole.decode("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
        for name in _MODEL_KEYS:
            if facts.get(name):
                return facts[name]
    if "CPU implementer" in facts:
        return f"implementer {facts['CPU implementer']} part {facts.get('CPU part', 'unknown')}"
    return ""


def cores(root: str) -> tuple[int | None, int | None]:
    """Return the number of CPUs that are online and of the cores behind them, None for what the system does not say."""
    folder = f"{root}/sys/devices/system/cpu"
    online = _cpus(read(f"{folder}/online"))
    if not online:
        return None, None
    if (read(f"{folder}/smt/active") or b"").strip() == b"0":
        return len(online), len(online)
    cores = 0
    counted: set[int] = set()
    for cpu in sorted(online):
        if cpu not in counted:
            siblings = _cpus(read(f"{folder}/cpu{cpu}/topology/thread_siblings_list"))
            if cpu not in siblings:
                return len(online), None
            counted |= siblings
            cores += 1
    return len(online), cores


def _cpus(text: bytes | None) -> set[int]:
    """Return the CPUs of a list such as ``0-3,8``; empty when it is malformed."""
    cpus: set[int] = set()
    for part in (text or b"").strip().split(b","):
        first, dash, last = part.partition(b"-")
        low = _whole(first)
        high = _whole(last) if dash else low
        if low is None or high is None or not low <= high < MAX_CPUS:
            return set()
        cpus.update(range(low, high + 1))
    return cpus


def _whole(text: bytes) -> int | None:
    return int(text) if text.isdigit() and len(text) < 20 else None  # noqa: PLR2004  2**64 has 20 digits
