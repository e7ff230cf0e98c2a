"""A joblib backend named ``amorsize``, which chooses the kind and number of workers; importing this registers it.

Example::

    import amorsize.integrations.joblib
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="amorsize"):
        results = Parallel()(delayed(func)(item) for item in items)
"""

from joblib import register_parallel_backend

from amorsize.integrations.joblib.backend import AmorsizeBackend

__all__ = ["AmorsizeBackend"]

register_parallel_backend("amorsize", AmorsizeBackend)
