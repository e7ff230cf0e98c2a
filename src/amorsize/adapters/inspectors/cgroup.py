"""What the container allows: CPU quota and memory limits of Linux control groups, versions 1 and 2 and both mixed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from amorsize.adapters.inspectors.procfs import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNLIMITED_BYTES: Final = 2**60
_Mount = tuple[frozenset[str], str, str]
"""Where a hierarchy is seen: its controllers (none: version 2), the group at its top, and the mount point."""

_USUAL_MOUNTS: Final[list[_Mount]] = [
    (frozenset(), "/", "/sys/fs/cgroup/unified"),
    (frozenset(), "/", "/sys/fs/cgroup"),
    (frozenset({"cpu"}), "/", "/sys/fs/cgroup/cpu,cpuacct"),
    (frozenset({"cpu"}), "/", "/sys/fs/cgroup/cpu"),
    (frozenset({"memory"}), "/", "/sys/fs/cgroup/memory"),
]


class _Files:
    """The files of the process's group and its ancestors, found once for one text of /proc/self/cgroup.

    Folders of quotas end in a slash. A limit comes with the files of what is used and of its parts, and with the name
    of the part that the kernel takes back first.
    """

    __slots__ = ("groups", "limits", "quotas_v1", "quotas_v2")

    def __init__(
        self,
        groups: bytes | None,
        quotas_v1: list[str],
        quotas_v2: list[str],
        limits: list[tuple[str, str, str, bytes]],
    ) -> None:
        self.groups = groups
        self.quotas_v1 = quotas_v1
        self.quotas_v2 = quotas_v2
        self.limits = limits


class Cgroup:
    """Reads what the control groups of this process allow.

    The files to read are found at the first call and again when the process has moved to another group; a limit put on
    or taken off an existing file counts at once. A quota or limit that cannot be read or makes no sense is none; a
    limit whose use cannot be read leaves no headroom. Nothing is raised.

    Args:
        root: the folder that holds ``proc`` and ``sys``.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")
        self._known: _Files | None = None

    def allowance(self) -> tuple[float | None, int | None, int | None]:
        """Return CPUs, bytes of memory, and bytes of it not in use, each the least of all groups; None: no limit."""
        files = self._files()
        quotas = [_quota(read(folder + "cpu.max")) for folder in files.quotas_v2]
        for folder in files.quotas_v1:
            quota = read(folder + "cpu.cfs_quota_us")
            if quota is not None and not quota.startswith(b"-"):
                quotas.append(_quota(quota + b" " + (read(folder + "cpu.cfs_period_us") or b"")))
        limits: list[int] = []
        headrooms: list[int] = []
        for limit_path, usage_path, stat_path, reclaimable in files.limits:
            limit = _bytes(read(limit_path))
            if limit is not None:
                limits.append(limit)
                headrooms.append(_headroom(limit, read(usage_path), read(stat_path), reclaimable))
        known = [quota for quota in quotas if quota is not None]
        return min(known, default=None), min(limits, default=None), min(headrooms, default=None)

    def _files(self) -> _Files:
        groups = read(f"{self._root}/proc/self/cgroup")
        known = self._known
        if known is None or known.groups != groups:
            known = self._known = self._find(groups)
        return known

    def _find(self, groups: bytes | None) -> _Files:
        paths = dict(_memberships(groups or b""))
        mounts = self._mounts()
        unified = list(self._levels(paths, mounts, ""))
        limits = [
            (folder + name, folder + "memory.current", folder + "memory.stat", b"inactive_file")
            for name in ("memory.max", "memory.high")
            for folder in _having(name, unified)
        ]
        limits += [
            (
                folder + "memory.limit_in_bytes",
                folder + "memory.usage_in_bytes",
                folder + "memory.stat",
                b"total_inactive_file",
            )
            for folder in _having("memory.limit_in_bytes", self._levels(paths, mounts, "memory"))
        ]
        quotas = _having("cpu.cfs_quota_us", self._levels(paths, mounts, "cpu"))
        return _Files(groups, quotas, _having("cpu.max", unified), limits)

    def _levels(self, paths: dict[str, str], mounts: list[_Mount], controller: str) -> Iterator[str]:
        """Yield the folder of the process's group in a hierarchy, then those of its ancestors, each ending in /.

        A path that leads out of what is mounted here stands for the group at the mount point, which is the container's.
        """
        path = paths.get(controller, "/")
        there = [
            (point, _below(path, top))
            for controllers, top, point in mounts
            if (controller in controllers if controller else not controllers) and _is_folder(self._root + point)
        ]
        # The first mount that shows the path, else the first of all.
        for point, names in sorted(there, key=lambda mount: mount[1] is None)[:1]:
            shown = names or []
            for depth in range(len(shown), -1, -1):
                folder = "/".join((self._root + point, *shown[:depth], ""))
                if _is_folder(folder):
                    yield folder

    def _mounts(self) -> list[_Mount]:
        lines = (read(f"{self._root}/proc/self/mountinfo") or b"").splitlines()
        return list(filter(None, map(_mounted, lines))) or _USUAL_MOUNTS


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  pathlib would be the dearest import of a fresh process


def _memberships(groups: bytes) -> Iterator[tuple[str, str]]:
    """Yield controller (empty for version 2) and path from the lines of /proc/self/cgroup."""
    for line in groups.splitlines():
        parts = os.fsdecode(line).split(":", 2)
        if len(parts) == 3:  # noqa: PLR2004  id, controllers, path
            for controller in parts[1].split(","):
                yield controller, parts[2].removesuffix(" (deleted)")


def _mounted(line: bytes) -> _Mount | None:
    """Return the cgroup mount that a line of mountinfo tells of, None when it is another file system or malformed."""
    if b"cgroup" not in line:
        return None
    fields, _, tail = line.partition(b" - ")
    places, kinds = fields.split(), tail.split()
    if len(places) < 5 or not kinds or (kinds[0] == b"cgroup" and len(kinds) < 3):  # noqa: PLR2004  see proc(5)
        return None
    if kinds[0] not in (b"cgroup", b"cgroup2"):
        return None
    options = frozenset(os.fsdecode(kinds[2]).split(",")) if kinds[0] == b"cgroup" else frozenset()
    return options, _unescaped(places[3]), _unescaped(places[4])


def _unescaped(path: bytes) -> str:
    """Undo what mountinfo does to blanks and backslashes."""
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


def _having(name: str, folders: Iterable[str]) -> list[str]:
    """Return the folders that have a file of this name."""
    return [folder for folder in folders if os.path.isfile(folder + name)]  # noqa: PTH113  as there


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
