"""What an item does that cannot be done twice is noticed before it is done."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest

from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source
from amorsize.errors import SamplingError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux samples in a forked child")


def sample(func, data, **budget):
    return StartMethodProbe(ProbeOptions(), "fork").sample(func, Source(data), Budget(**budget))


@pytest.fixture
def old(tmp_path):
    """Return a file that was there a while ago, in a folder that was."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("old")
    time.sleep(0.05)  # the kernel dates files in steps of up to 10 ms
    return folder / "file"


def rewrite(path):
    text = Path(path).read_text()
    Path(path).write_text(text * 2)


def caught(path):
    try:
        Path(path).unlink()
    except BaseException:  # noqa: BLE001  as careless as functions are
        return


FINAL = {
    "os.remove": (os.remove, "removed"),
    "os.unlink": (os.unlink, "removed"),
    "Path.unlink": (Path.unlink, "removed"),
    "os.rename": (lambda path: os.rename(path, f"{path}.bak"), "moved"),  # noqa: PTH104  this very function
    "os.replace": (lambda path: os.replace(path, f"{path}.bak"), "moved"),  # noqa: PTH105  likewise
    "shutil.move": (lambda path: shutil.move(path, f"{path}.bak"), "moved"),
    "shutil.rmtree": (lambda path: shutil.rmtree(Path(path).parent), "removed"),
    "os.truncate": (lambda path: os.truncate(path, 0), "cut short"),
    "read and written anew": (rewrite, "rewritten"),
    "within what it catches": (caught, "removed"),
}


@pytest.mark.parametrize(("act", "said"), FINAL.values(), ids=FINAL)
def test_an_item_is_ended_before_it_does_for_good_what_it_would_do(old, act, said):
    with pytest.raises(SamplingError, match=rf"^the item at position 0 \(.*\) would have {said} .* for good$"):
        pytest.fail(f"it ran: {sample(act, [old]).sampled_why}")
    assert old.read_text() == "old"
    assert [path.name for path in old.parent.iterdir()] == ["file"]


def _temporary(path):
    with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        file.write(b"x")
        (Path(folder) / "one").write_text("1")
        (Path(folder) / "one").rename(Path(folder) / "two")
        (Path(folder) / "two").write_text((Path(folder) / "two").read_text() * 2)
    return Path(path).read_text()


def _written_whole(path):
    part = Path(f"{path}.part")
    part.write_text("new")
    part.replace(f"{path}.out")


def _logged(path):
    with Path(f"{path}.log").open("a") as log:
        log.write("more")


HARMLESS = {
    "temporary files": _temporary,
    "an output that is replaced": _written_whole,
    "an output that is written": lambda path: Path(f"{path}.out").write_text("new"),
    "a log that grows": _logged,
    "what is not there": lambda path: Path(f"{path}.none").unlink(missing_ok=True),
    "reading": lambda path: Path(path).read_bytes(),
    "numbers of descriptors": lambda path: os.close(os.open(path, os.O_RDONLY)),
}


@pytest.mark.parametrize("act", HARMLESS.values(), ids=HARMLESS)
def test_an_item_may_make_and_remove_files_of_its_own(old, act):
    Path(f"{old}.out").write_text("old")
    found = sample(act, [old] * 20)
    assert (found.sampled_in, found.sampled_why) == ("worker", "")


@pytest.mark.parametrize("where", ["worker", "caller"])
def test_who_names_a_place_to_sample_in_has_items_do_what_they_do(old, where):
    assert sample(os.remove, [old], where=where).sampled_in == where
    assert not old.exists()
