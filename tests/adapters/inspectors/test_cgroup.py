"""What a container allows, against trees of /proc and /sys laid out as the kernel does."""

from __future__ import annotations

import sys

import pytest

from amorsize.adapters.inspectors.cgroup import Cgroup

MIB = 1 << 20
V1_HUGE = "9223372036854771712\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the trees have names that Windows does not allow")


class Tree:
    """A folder with proc and sys in it."""

    def __init__(self, root):
        self.root = root

    def write(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return self

    def groups(self, *lines):
        return self.write("/proc/self/cgroup", "".join(f"{line}\n" for line in lines))

    def mounts(self, *mounts):
        """State mounts as (top, point, kind, options), among one of another kind."""
        lines = ["22 27 0:21 / /proc rw,relatime - proc proc rw"]
        for number, (top, point, kind, options) in enumerate(mounts):
            lines.append(f"{30 + number} 23 0:{28 + number} {top} {point} rw,nosuid shared:9 - {kind} {kind} {options}")
            self.folder(point.replace("\\040", " "))
        return self.write("/proc/self/mountinfo", "\n".join(lines) + "\n")

    def folder(self, path):
        (self.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return self

    def v2(self, folder, cpu=None, limit=None, high=None, used=None, inactive=0):  # noqa: PLR0913, PLR0917  one a file
        """Lay out one group of version 2."""
        for name, value in (("cpu.max", cpu), ("memory.max", limit), ("memory.high", high), ("memory.current", used)):
            if value is not None:
                self.write(f"{folder}/{name}", f"{value}\n")
        if used is not None:
            self.write(f"{folder}/memory.stat", f"anon 4096\nfile 8192\ninactive_file {inactive}\nactive_file 77\n")
        return self.folder(folder)

    def v1_cpu(self, folder, quota, period=100000):
        self.write(f"{folder}/cpu.cfs_quota_us", f"{quota}\n")
        return self.write(f"{folder}/cpu.cfs_period_us", f"{period}\n")

    def v1_memory(self, folder, limit, used=0, inactive=0):
        self.write(f"{folder}/memory.limit_in_bytes", f"{limit}\n")
        self.write(f"{folder}/memory.usage_in_bytes", f"{used}\n")
        return self.write(f"{folder}/memory.stat", f"inactive_file 1\ntotal_inactive_file {inactive}\n")

    def cgroup(self):
        return Cgroup(str(self.root))

    def allowance(self):
        return self.cgroup().allowance()


V2 = ("/", "/sys/fs/cgroup", "cgroup2", "rw,nsdelegate")
V1_CPU = ("/", "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct")
V1_MEMORY = ("/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory")


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_no_control_groups_at_all_limit_nothing(tree):
    assert tree.allowance() == (None, None, None)


def test_a_quota_and_a_limit_of_version_2_are_read(tree):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", "150000 100000", 100 * MIB, "max", 30 * MIB)
    assert tree.allowance() == (1.5, 100 * MIB, 70 * MIB)


def test_file_pages_the_kernel_takes_back_first_count_as_free(tree):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", None, 100 * MIB, None, 30 * MIB, inactive=20 * MIB)
    assert tree.allowance() == (None, 100 * MIB, 90 * MIB)


def test_unlimited_groups_of_version_2_limit_nothing(tree):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", "max 100000", "max", "max", 5)
    assert tree.allowance() == (None, None, None)


def test_the_smallest_of_all_ancestors_wins_wherever_it_stands(tree):
    tree.groups("0::/a/b/c").mounts(V2)
    tree.v2("/sys/fs/cgroup/a", "100000 100000", 900 * MIB, "max", 100 * MIB)
    tree.v2("/sys/fs/cgroup/a/b", "max 100000", 500 * MIB, "max", 50 * MIB)
    tree.v2("/sys/fs/cgroup/a/b/c", "400000 100000", "max", "max", 40 * MIB)
    assert tree.allowance() == (1.0, 500 * MIB, 450 * MIB)


def test_the_least_headroom_may_be_an_ancestors_that_siblings_have_filled(tree):
    tree.groups("0::/a/b").mounts(V2)
    tree.v2("/sys/fs/cgroup/a", None, 900 * MIB, None, 880 * MIB)
    tree.v2("/sys/fs/cgroup/a/b", None, 500 * MIB, None, 50 * MIB)
    assert tree.allowance() == (None, 500 * MIB, 20 * MIB)


def test_the_mark_where_a_group_is_slowed_down_is_a_limit_too(tree):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", None, 100 * MIB, 80 * MIB, 30 * MIB)
    assert tree.allowance() == (None, 80 * MIB, 50 * MIB)


def test_more_in_use_than_allowed_leaves_nothing(tree):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", None, 100 * MIB, None, 130 * MIB)
    assert tree.allowance() == (None, 100 * MIB, 0)


def test_version_1_is_read_with_ancestors(tree):
    tree.groups("4:memory:/docker/x", "2:cpu,cpuacct:/docker/x", "1:name=systemd:/").mounts(V1_CPU, V1_MEMORY)
    tree.v1_cpu("/sys/fs/cgroup/cpu,cpuacct", -1).v1_cpu("/sys/fs/cgroup/cpu,cpuacct/docker", 50000)
    tree.v1_cpu("/sys/fs/cgroup/cpu,cpuacct/docker/x", 300000)
    tree.v1_memory("/sys/fs/cgroup/memory", V1_HUGE.strip())
    tree.v1_memory("/sys/fs/cgroup/memory/docker", 400 * MIB, 100 * MIB, 10 * MIB)
    tree.v1_memory("/sys/fs/cgroup/memory/docker/x", 300 * MIB, 20 * MIB)
    assert tree.allowance() == (0.5, 300 * MIB, 280 * MIB)


def test_no_quota_and_the_huge_limit_of_version_1_limit_nothing(tree):
    tree.groups("4:memory:/", "2:cpu,cpuacct:/").mounts(V1_CPU, V1_MEMORY)
    tree.v1_cpu("/sys/fs/cgroup/cpu,cpuacct", -1).v1_memory("/sys/fs/cgroup/memory", V1_HUGE.strip())
    assert tree.allowance() == (None, None, None)


def test_both_versions_side_by_side_are_both_read(tree):
    unified = ("/", "/sys/fs/cgroup/unified", "cgroup2", "rw")
    tree.groups("4:memory:/m", "0::/u").mounts(V1_MEMORY, unified)
    tree.v1_memory("/sys/fs/cgroup/memory/m", 300 * MIB, 20 * MIB)
    tree.v2("/sys/fs/cgroup/unified/u", "25000 100000")
    assert tree.allowance() == (0.25, 300 * MIB, 280 * MIB)


def test_a_container_with_a_name_space_of_its_own_finds_its_limits_at_the_mount(tree):
    tree.groups("0::/").mounts(V2).v2("/sys/fs/cgroup", "200000 100000", 64 * MIB, None, 4 * MIB)
    assert tree.allowance() == (2.0, 64 * MIB, 60 * MIB)


def test_a_container_that_sees_the_hosts_path_and_a_mount_of_its_own_group(tree):
    tree.groups("2:cpu:/docker/x").mounts(("/docker/x", "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu"))
    tree.v1_cpu("/sys/fs/cgroup/cpu", 75000)
    assert tree.allowance()[0] == 0.75


def test_a_group_below_the_one_that_is_mounted_is_found(tree):
    tree.groups("2:cpu:/docker/x/inner").mounts(("/docker/x", "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu"))
    tree.v1_cpu("/sys/fs/cgroup/cpu", 75000).v1_cpu("/sys/fs/cgroup/cpu/inner", 25000)
    assert tree.allowance()[0] == 0.25


@pytest.mark.parametrize("path", ["/kubepods/pod1/x", "/../other", "/docker/xy"])
def test_a_path_that_is_not_in_the_mount_stands_for_the_group_mounted(tree, path):
    tree.groups(f"2:cpu:{path}").mounts(("/docker/x", "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu"))
    tree.v1_cpu("/sys/fs/cgroup/cpu", 75000)
    assert tree.allowance()[0] == 0.75


def test_a_path_that_does_not_exist_under_the_mount_stands_for_its_nearest_ancestor(tree):
    tree.groups("0::/a/gone/deeper").mounts(V2).v2("/sys/fs/cgroup/a", "50000 100000")
    assert tree.allowance()[0] == 0.5


def test_a_group_that_was_deleted_stands_for_its_ancestors(tree):
    tree.groups("0::/a/b (deleted)").mounts(V2).v2("/sys/fs/cgroup/a", "50000 100000")
    assert tree.allowance()[0] == 0.5


def test_of_two_mounts_the_one_that_shows_the_path_is_read(tree):
    tree.groups("2:cpu:/real/x").mounts(
        ("/other", "/mnt/other", "cgroup", "rw,cpu"), ("/real", "/mnt/real", "cgroup", "rw,cpu")
    )
    tree.v1_cpu("/mnt/other", 10000).v1_cpu("/mnt/real/x", 90000)
    assert tree.allowance()[0] == 0.9


def test_a_mount_point_with_a_blank_is_found(tree):
    tree.groups("0::/").mounts(("/", "/mnt/my\\040groups", "cgroup2", "rw")).v2("/mnt/my groups", "50000 100000")
    assert tree.allowance()[0] == 0.5


def test_a_colon_in_a_path_is_part_of_it(tree):
    tree.groups("0::/unit:1").mounts(V2).v2("/sys/fs/cgroup/unit:1", "50000 100000")
    assert tree.allowance()[0] == 0.5


def test_a_mount_on_a_page_far_into_a_long_table_is_found(tree):
    tree.groups("0::/").mounts(*[("/", f"/mnt/{number}", "tmpfs", "rw") for number in range(3000)], V2)
    tree.v2("/sys/fs/cgroup", "50000 100000")
    assert tree.allowance()[0] == 0.5


def test_groups_at_their_usual_places_are_found_without_a_table_of_mounts(tree):
    tree.groups("0::/app").write("/sys/fs/cgroup/app/cgroup.procs", "1\n").v2("/sys/fs/cgroup", "90000 100000")
    tree.v2("/sys/fs/cgroup/app", "50000 100000")
    assert tree.allowance()[0] == 0.5
    tree.groups("0::/", "2:cpu,cpuacct:/app", "3:memory:/app")
    for folder in ("cpu,cpuacct", "memory"):
        tree.write(f"/sys/fs/cgroup/{folder}/app/cgroup.procs", "1\n")
    tree.v1_cpu("/sys/fs/cgroup/cpu,cpuacct/app", 30000).v1_memory("/sys/fs/cgroup/memory/app", 100 * MIB, 40 * MIB)
    assert tree.allowance() == (0.3, 100 * MIB, 60 * MIB)


def test_a_folder_at_a_usual_place_that_is_no_group_is_passed_over(tree):
    tree.groups("0::/app").mounts(("/", "/mnt/groups", "cgroup2", "rw")).v2("/sys/fs/cgroup/app", "50000 100000")
    tree.v2("/mnt/groups/app", "30000 100000")
    assert tree.allowance()[0] == 0.3


@pytest.mark.parametrize(
    "text", ["", "nonsense", "1", "1 2 3", "-5 100000", "5 0", "0 100000", "9" * 400 + " 1", "é 1"]
)
def test_a_malformed_quota_is_none(tree, text):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", text)
    assert tree.allowance()[0] is None


@pytest.mark.parametrize("text", ["", "nonsense", "-1", "1.5", "9" * 5000])
def test_a_malformed_limit_is_none(tree, text):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", None, text, None, 5)
    assert tree.allowance() == (None, None, None)


@pytest.mark.parametrize("used", ["", "nonsense", "9" * 5000])
def test_a_limit_whose_use_is_unknown_leaves_nothing(tree, used):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", None, 100, None, used)
    assert tree.allowance() == (None, 100, 0)


def test_a_limit_without_any_figures_of_use_leaves_nothing(tree):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", None, 100)
    assert tree.allowance() == (None, 100, 0)


def test_a_malformed_part_of_what_is_in_use_counts_as_in_use(tree):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", None, 100, None, 30, inactive="many")
    assert tree.allowance() == (None, 100, 70)


def test_malformed_lines_about_groups_and_mounts_are_passed_over(tree):
    tree.mounts(V2).v2("/sys/fs/cgroup/app", "50000 100000")
    good = (tree.root / "proc/self/mountinfo").read_text()
    tree.write("/proc/self/mountinfo", f"cgroup\n - cgroup2\n1 2 3 / /x - cgroup\n1 2 3 / cgroup - ext4 x rw\n\n{good}")
    tree.groups("", ":", "nonsense", "0::/app")
    assert tree.allowance()[0] == 0.5


def test_files_that_are_folders_limit_nothing(tree):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", "50000 100000", 100, None, 50)
    cgroup = tree.cgroup()
    assert cgroup.allowance() == (0.5, 100, 50)
    for name in ("cpu.max", "memory.max"):
        (tree.root / "sys/fs/cgroup/app" / name).unlink()
        tree.folder(f"/sys/fs/cgroup/app/{name}")
    assert cgroup.allowance() == (None, None, None)


def test_a_limit_that_changes_counts_at_the_next_look(tree):
    tree.groups("0::/app").mounts(V2).v2("/sys/fs/cgroup/app", "max 100000", "max", None, 30)
    cgroup = tree.cgroup()
    assert cgroup.allowance() == (None, None, None)
    tree.v2("/sys/fs/cgroup/app", "50000 100000", 100, None, 60)
    assert cgroup.allowance() == (0.5, 100, 40)


def test_a_process_that_moves_to_another_group_is_followed(tree):
    tree.groups("0::/one").mounts(V2).v2("/sys/fs/cgroup/one", "50000 100000").v2("/sys/fs/cgroup/two", "90000 100000")
    cgroup = tree.cgroup()
    assert cgroup.allowance()[0] == 0.5
    tree.groups("0::/two")
    assert cgroup.allowance()[0] == 0.9


def test_a_group_that_goes_away_limits_nothing(tree):
    tree.groups("2:cpu:/app").mounts(V1_CPU).v1_cpu("/sys/fs/cgroup/cpu,cpuacct/app", 50000)
    cgroup = tree.cgroup()
    assert cgroup.allowance()[0] == 0.5
    (tree.root / "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us").unlink()
    assert cgroup.allowance()[0] is None
    (tree.root / "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us").unlink()
    assert cgroup.allowance()[0] is None


def test_this_machines_own_groups_can_be_read():
    cpus, limit, headroom = Cgroup().allowance()
    assert cpus is None or cpus > 0
    assert (limit is None) == (headroom is None)
    assert limit is None or 0 <= headroom <= limit
