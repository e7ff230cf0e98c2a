"""A cache plugin from a distribution of its own: built as a wheel, installed in a venv, chosen by name."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
from pathlib import Path
from textwrap import dedent

import pytest

PYPROJECT = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "amorsize-onefile"
    version = "0.3"
    dependencies = ["amorsize"]

    [project.entry-points.amorsize]
    onefile = "amorsize_onefile"
"""

MODULE = '''
    """A cache store in one JSON file."""

    import json
    from pathlib import Path

    import attrs

    from amorsize.plugins import Backend, hookimpl


    @attrs.frozen
    class OneFileOptions:
        name: str = "cache.json"
        indent: int = attrs.field(default=0, validator=attrs.validators.ge(0))
        directory: str | None = None


    class OneFileCache:
        def __init__(self, options):
            self.file = Path(options.directory, options.name)
            self.indent = options.indent

        def _read(self):
            return json.loads(self.file.read_text()) if self.file.exists() else {}

        def _write(self, everything):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(everything, indent=self.indent))

        def fetch(self, locator):
            return self._read().get(locator, {})

        def store(self, locator, variant, text):
            everything = self._read()
            everything.setdefault(locator, {})[variant] = text
            self._write(everything)

        def discard(self, addresses):
            everything, count = self._read(), 0
            for locator, variant in addresses:
                count += everything.get(locator, {}).pop(variant, None) is not None
            self._write({locator: variants for locator, variants in everything.items() if variants})
            return count

        def locators(self):
            yield from self._read()

        def close(self):
            pass


    @hookimpl
    def amorsize_caches():
        return [Backend("onefile", OneFileOptions, OneFileCache)]
'''

SCRIPT = """
    import json
    from amorsize.config import loader as config
    from amorsize.plugins.registry import Backends
    from amorsize.application.ports import CacheStore

    settings = config.load()
    store = config.build("caches", settings.cache, settings)
    store.store("here", "a", "1")
    store.store("here", "b", "2")
    again = config.build("caches", settings.cache, settings)
    print(json.dumps({
        "is_store": isinstance(store, CacheStore),
        "fetched": again.fetch("here"),
        "discarded": again.discard([("here", "a"), ("here", "z")]),
        "locators": list(again.locators()),
        "file": str(store.file),
        "rows": [
            [row.name, row.kind, row.distribution, row.version, row.state]
            for row in Backends().describe() if row.distribution != "amorsize"
        ],
    }))
"""


def run(*command, cwd, **env):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture
def python(tmp_path):
    """Build the plugin's wheel, install it in a new environment that sees this one's packages; return its Python."""
    source, venv = tmp_path / "source", tmp_path / "venv"
    source.mkdir()
    (source / "pyproject.toml").write_text(dedent(PYPROJECT), encoding="utf-8")
    (source / "amorsize_onefile.py").write_text(dedent(MODULE), encoding="utf-8")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, source, cwd=source)
    (wheel,) = tmp_path.glob("amorsize_onefile-0.3-*.whl")

    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = venv / scripts / ("python.exe" if os.name == "nt" else "python")
    purelib = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    seen = dict.fromkeys([*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in seen]
    Path(purelib, "seen.pth").write_text("".join(lines), encoding="utf-8")
    offline = ("--no-index", "--no-deps", "--no-cache-dir", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", *offline, wheel, cwd=tmp_path)
    return python


def test_a_plugin_from_a_wheel_is_chosen_by_name_and_used(python, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "amorsize.toml").write_text('cache = "onefile"\n[caches.onefile]\nname = "mine.json"\n')
    cache = tmp_path / "cache"
    said = json.loads(run(python, "-c", dedent(SCRIPT), cwd=project, AMORSIZE_CACHE_DIR=str(cache)))
    assert said == {
        "is_store": True,
        "fetched": {"a": "1", "b": "2"},
        "discarded": 1,
        "locators": ["here"],
        "file": str(cache / "mine.json"),
        "rows": [["onefile", "caches", "amorsize-onefile", "0.3", "ready"]],
    }
    assert json.loads((cache / "mine.json").read_text()) == {"here": {"b": "2"}}

    (project / "jobs.py").write_text("def work(x):\n    return sum(range(2500))\n")
    ask = "import amorsize, jobs; print(amorsize.optimize(jobs.work, range(2000), cache='onefile').cache)"
    said = [run(python, "-c", ask, cwd=project, AMORSIZE_CACHE_DIR=str(cache)) for _ in range(2)]
    assert said == ["miss\n", "hit\n"]
    assert any(locator.startswith("func:") for locator in json.loads((cache / "mine.json").read_text()))

    (project / "amorsize.toml").write_text('cache = "onefile"\n[caches.onefile]\nnam = "x"\nindent = -1\n')
    script = "from amorsize.config.loader import load\ntry:\n    load()\nexcept ValueError as error:\n    print(error)"
    assert run(python, "-c", script, cwd=project).splitlines() == [
        "amorsize.toml: unknown key 'caches.onefile.nam' (did you mean 'name'?)",
        "amorsize.toml: caches.onefile.indent must be >= 0, got -1",
    ]
