"""An inspector of a machine that the config states: for reproducible advice, other machines and simulation."""

from __future__ import annotations

from typing import Final

import attrs
from attrs.validators import optional

from amorsize.adapters.inspectors.files import FileSizes
from amorsize.adapters.inspectors.interpreter import python_facts
from amorsize.domain.values import (
    LONG_TEXT,
    MAX_BYTES,
    MAX_CPUS,
    MIN_CPUS,
    SHORT_TEXT,
    THREADS_TEXT,
    Machine,
    flag,
    number,
    text,
    whole,
)

_MEMORY_BYTES: Final = 8 * 2**30
"""The memory of a machine of which none is stated: 8 GiB, as laptops often have."""


@attrs.frozen
class FixedOptions:
    """The machine: cores, CPUs that may be used (fractional under a quota), memory in bytes, and names.

    What is left None follows from the rest: as many logical cores as physical ones, every logical core usable, all
    memory available. The Python is always the running one, as its measurements are, but its GIL can be
    stated too.
    """

    physical_cores: int = attrs.field(default=4, validator=whole(1, MAX_CPUS))
    logical_cores: int | None = attrs.field(default=None, validator=optional(whole(1, MAX_CPUS)))
    usable_cpus: float | None = attrs.field(default=None, validator=optional(number(MIN_CPUS, MAX_CPUS)))
    total_memory_bytes: int = attrs.field(default=_MEMORY_BYTES, validator=whole(0, MAX_BYTES))
    available_memory_bytes: int | None = attrs.field(default=None, validator=optional(whole(0, MAX_BYTES)))
    cpu_model: str = attrs.field(default="fixed", validator=text(LONG_TEXT))
    architecture: str = attrs.field(default="fixed", validator=text(SHORT_TEXT))
    blas_threads: str = attrs.field(default="", validator=text(THREADS_TEXT))
    gil_enabled: bool | None = attrs.field(default=None, validator=optional(flag))
    load: float = attrs.field(default=0.0, validator=number(0, MAX_CPUS))


class FixedInspector:
    """States the machine of its options.

    Args:
        options: the machine.
    """

    def __init__(self, options: FixedOptions) -> None:
        self._options = options
        self._files = FileSizes()

    def file_bytes(self, path: str) -> int | None:
        """Return the size of a file; see the port."""
        return self._files.of(path)

    def inspect(self, start_method: str) -> Machine:
        """Return the stated facts with the start method that is asked about; see the port."""
        stated = self._options
        tag, version, gil_enabled = python_facts()
        logical = stated.physical_cores if stated.logical_cores is None else stated.logical_cores
        return Machine(
            physical_cores=stated.physical_cores,
            logical_cores=logical,
            usable_cpus=float(logical if stated.usable_cpus is None else stated.usable_cpus),
            available_memory_bytes=(
                stated.total_memory_bytes if stated.available_memory_bytes is None else stated.available_memory_bytes
            ),
            total_memory_bytes=stated.total_memory_bytes,
            start_method=start_method,
            python_tag=tag,
            python_version=version,
            gil_enabled=gil_enabled if stated.gil_enabled is None else stated.gil_enabled,
            cpu_model=stated.cpu_model,
            architecture=stated.architecture,
            blas_threads=stated.blas_threads,
            load=float(stated.load),
        )
