"""What the container allows: CPU quota and memory limits of Linux control groups, versions 1 and 2 and both mixed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from amorsize.adapters.inspectors.procfs import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNLIMITED_BYTES: Final = 2**60
"""A limit from which on there is none: version 1 writes the largest multiple of a page."""
_Mounts = dict[str, list[tuple[str, str]]]
"""By controller (empty for version 2): where its hierarchy is seen, as the group at the top and the mount point."""

_USUAL_POINTS: Final = {
    "": ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
    "cpu": ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"),
    "memory": ("/sys/fs/cgroup/memory",),
}
"""Where distributions mount the hierarchy of a controller (empty for version 2)."""


class _Files(NamedTuple):
    """The files of the process's group and its ancestors, for one text of /proc/self/cgroup.

    Folders end in a slash. A limit comes with the files of what is used and of its parts, and with the name of the part
    that the kernel takes back first. Not each file need be there.
    """

    groups: bytes | None
    quotas_v1: list[str]
    quotas_v2: list[str]
    limits: list[tuple[str, str, str, bytes]]


class Cgroup:
    """Reads what the control groups of this process allow.

    The groups are looked for at the usual paths, and where these do not hold the process's own group, where the table
    of mounts says, which takes long to read: at the first call and again when the process has moved to another group. A
    limit put on or taken off counts at once. A quota or limit that cannot be read or makes no sense is none; a limit
    whose use cannot be read leaves no headroom. Nothing is raised.

    Args:
        root: the folder that holds ``proc`` and ``sys``.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")
        self._known: _Files | None = None

    def allowance(self) -> tuple[float | None, int | None, int | None]:
        """Return CPUs, bytes of memory, and bytes of it not in use, each the least of all groups; None: no limit."""
        files = self._files()
        limits: list[int] = []
        headrooms: list[int] = []
        for limit_path, usage_path, stat_path, reclaimable in files.limits:
            limit = _bytes(read(limit_path))
            if limit is not None:
                limits.append(limit)
                headrooms.append(_headroom(limit, read(usage_path), read(stat_path), reclaimable))
        return min(self.quotas().values(), default=None), min(limits, default=None), min(headrooms, default=None)

    def quotas(self) -> dict[str, float]:
        """Return the CPUs that each group allows which has a quota, by the file that says so."""
        files = self._files()
        found = {folder + "cpu.max": _quota(read(folder + "cpu.max")) for folder in files.quotas_v2}
        for folder in files.quotas_v1:
            path = folder + "cpu.cfs_quota_us"
            quota = read(path)
            if quota is not None and not quota.startswith(b"-"):
                found[path] = _quota(quota + b" " + (read(folder + "cpu.cfs_period_us") or b""))
        return {path: quota for path, quota in found.items() if quota is not None}

    def _files(self) -> _Files:
        groups = read(f"{self._root}/proc/self/cgroup")
        known = self._known
        if known is None or known.groups != groups:
            known = self._known = self._find(groups)
        return known

    def _find(self, groups: bytes | None) -> _Files:
        paths = dict(_memberships(groups or b""))
        # A controller is part of one hierarchy only: with both in version 1, version 2 limits nothing.
        unified = [] if "cpu" in paths and "memory" in paths else self._levels(paths, "")
        limits = [
            (folder + name, folder + "memory.current", folder + "memory.stat", b"inactive_file")
            for name in ("memory.max", "memory.high")
            for folder in unified
        ]
        limits += [
            (
                folder + "memory.limit_in_bytes",
                folder + "memory.usage_in_bytes",
                folder + "memory.stat",
                b"total_inactive_file",
            )
            for folder in self._levels(paths, "memory")
        ]
        return _Files(groups, self._levels(paths, "cpu"), unified, limits)

    def _levels(self, paths: dict[str, str], controller: str) -> list[str]:
        """Return the folders of the groups that the process's group lies in, from the top down to its own.

        A path that leads out of what is mounted here stands for the group at the mount point, which is the container's.
        """
        path = paths.get(controller)
        if path is None:
            return []
        names = _below(path, "/")
        if names is not None:
            for point in _USUAL_POINTS[controller]:
                levels = _folders(self._root + point, names)
                if os.path.isfile(levels[-1] + "cgroup.procs"):  # noqa: PTH113  pathlib would be the slowest import
                    return levels
        there = [(self._root + point, _below(path, top)) for top, point in self._mounts().get(controller, ())]
        # The first mount that shows the path, else the first of all.
        for point, shown in sorted(there, key=lambda mount: mount[1] is None)[:1]:
            return _folders(point, shown or [])
        return []

    def _mounts(self) -> _Mounts:
        found: _Mounts = {}
        for line in (read(f"{self._root}/proc/self/mountinfo") or b"").splitlines():
            fields, separator, tail = line.partition(b" - cgroup")
            columns = fields.split(None, 5) if separator else ()
            if len(columns) >= 5:  # noqa: PLR2004  see proc(5)
                for controller in _controllers(tail):
                    found.setdefault(controller, []).append((_unescaped(columns[3]), _unescaped(columns[4])))
        return found


def _folders(point: str, names: list[str]) -> list[str]:
    """Return the folder of a mount and those that names lead to below it, each ending in a slash."""
    return ["/".join((point, *names[:depth], "")) for depth in range(len(names) + 1)]


def _memberships(groups: bytes) -> Iterator[tuple[str, str]]:
    """Yield controller (empty for version 2) and path from the lines of /proc/self/cgroup."""
    for line in groups.splitlines():
        parts = os.fsdecode(line).split(":", 2)
        if len(parts) == 3:  # noqa: PLR2004  id, controllers, path
            for controller in parts[1].split(","):
                yield controller, parts[2].removesuffix(" (deleted)")


def _controllers(tail: bytes) -> Iterable[str]:
    """Return what a mount shows of interest, from what mountinfo says after ``cgroup``: empty text is version 2."""
    kind, *fields = tail.split(b" ")
    if kind:
        return ("",) if kind == b"2" else ()
    return [name for name in ("cpu", "memory") if fields and name.encode() in fields[-1].split(b",")]


def _unescaped(path: bytes) -> str:
    """Undo what mountinfo does to blanks and backslashes."""
    if b"\\" not in path:
        return os.fsdecode(path)
    for escaped, letter in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        path = path.replace(escaped, letter)
    return os.fsdecode(path)


def _below(path: str, top: str) -> list[str] | None:
    """Return the names that lead from top down to path, None when path is not below it."""
    names = [name for name in path.split("/") if name]
    tops = [name for name in top.split("/") if name]
    if ".." in names or names[: len(tops)] != tops:
        return None
    return names[len(tops) :]


def _quota(text: bytes | None) -> float | None:
    """Return CPUs from a quota and a period; None for ``max`` and for what is no positive number."""
    try:
        quota, period = map(int, (text or b"").split())
        return quota / period if quota > 0 and period > 0 else None
    except (ValueError, OverflowError):
        return None


def _bytes(text: bytes | None) -> int | None:
    """Return a limit in bytes; None for ``max``, version 1's huge stand-in for it, and what is no number."""
    try:
        limit = int(text or b"")
    except ValueError:
        return None
    return limit if 0 <= limit < _UNLIMITED_BYTES else None


def _headroom(limit: int, usage: bytes | None, stat: bytes | None, reclaimable: bytes) -> int:
    """Return the bytes left under a limit, counting file pages that the kernel takes back first as left."""
    try:
        used = int(usage or b"")
    except ValueError:
        return 0
    for line in (stat or b"").splitlines():
        name, _, value = line.partition(b" ")
        if name == reclaimable:
            used -= min(used, _bytes(value) or 0)
    return min(limit, max(0, limit - used))
