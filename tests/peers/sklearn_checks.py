"""Checks that scikit-learn gives the same with the backend ``amorsize`` as with loky, and prints counts.

Usage: ``python tests/peers/sklearn_checks.py``. Each check runs with both, and all numbers must be equal to 12
digits.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from time import perf_counter

import numpy as np
import sklearn
from joblib import parallel_config
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.parallel import Parallel, delayed

import amorsize.integrations.joblib  # noqa: F401  registers the backend

X, Y = make_classification(600, 12, n_informative=6, n_classes=3, random_state=0)


def forest():
    model = RandomForestClassifier(30, random_state=0, n_jobs=-1).fit(X, Y)
    return model.predict_proba(X), model.feature_importances_


def grid_search():
    search = GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0, 10.0]}, cv=3, n_jobs=-1).fit(X, Y)
    return search.cv_results_["mean_test_score"], search.predict(X)


def cross_validation():
    return cross_val_score(LogisticRegression(max_iter=200), X, Y, cv=5, n_jobs=-1)


def importance():
    model = LogisticRegression(max_iter=200).fit(X, Y)
    return permutation_importance(model, X, Y, n_repeats=5, random_state=0, n_jobs=-1).importances


def one_against_rest():
    return OneVsRestClassifier(LogisticRegression(max_iter=200), n_jobs=-1).fit(X, Y).predict_proba(X)


def neighbours():
    model = KNeighborsClassifier(5, n_jobs=-1, algorithm="kd_tree").fit(X, Y)
    return model.predict(X), model.kneighbors(X)[0]


def neighbours_by_brute_force():
    return KNeighborsClassifier(5, n_jobs=-1, algorithm="brute").fit(X, Y).predict_proba(X)


def forest_in_a_grid_search():
    model = RandomForestClassifier(15, random_state=0, n_jobs=2)
    search = GridSearchCV(model, {"max_depth": [2, 4]}, cv=3, n_jobs=-1).fit(X, Y)
    return search.cv_results_["mean_test_score"], search.best_estimator_.predict_proba(X)


def configured(_):
    return sklearn.get_config()["assume_finite"], sklearn.get_config()["working_memory"]


def config():
    """What a task sees of scikit-learn's config, which is a thread's own."""
    with sklearn.config_context(assume_finite=True, working_memory=17):
        seen = Parallel(n_jobs=2)(delayed(configured)(n) for n in range(20))
    assert set(seen) == {(True, 17)}
    return np.array(seen, dtype=float)


CHECKS = [
    *(forest, grid_search, cross_validation, importance, one_against_rest, neighbours, neighbours_by_brute_force),
    *(forest_in_a_grid_search, config),
]


def run(check, backend):
    began = perf_counter()
    with parallel_config(backend=backend):
        found = check()
    return (found if isinstance(found, tuple) else (found,)), perf_counter() - began


def main() -> int:
    """Run each check with loky, and twice with ours: a second call knows the functions; return 1 when one failed."""
    warnings.simplefilter("error")
    failed = 0
    for check in CHECKS:
        try:
            theirs, loky_seconds = run(check, "loky")
            for _ in range(2):
                found, seconds = run(check, "amorsize")
                for mine, other in zip(found, theirs, strict=True):
                    np.testing.assert_allclose(mine, other, rtol=1e-12)
            print(f"same as loky: {check.__name__} ({seconds:.2f} s, loky {loky_seconds:.2f} s)", flush=True)
        except Exception:  # noqa: BLE001  the others are checked still
            failed += 1
            traceback.print_exc()
            print(f"FAILED: {check.__name__}", flush=True)
    print(f"scikit-learn {sklearn.__version__}: {len(CHECKS) - failed} checks the same as with loky, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
