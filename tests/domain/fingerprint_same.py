"""Pairs of sources that must share a fingerprint.

Every source defines ``f``. A line ``# file: name.py`` starts another file beside it; ``#`` in a title begins the
reason.
"""

SAME = [
    ("nothing at all", "def f(x): return {'a', 'b', 'c', x}", "def f(x): return {'a', 'b', 'c', x}"),
    (
        "a frozenset, whatever its order",
        "def f(x): return x in {'a', 'b', 'c', 'd'}",
        "def f(x): return x in {'d', 'c', 'b', 'a'}",
    ),
    (
        "comments and blank lines",
        "def f(x): return x + 1",
        "# why\n\n\ndef f(x):\n    # because\n\n    return x + 1  # so",
    ),
    ("brackets and line breaks", "def f(x): return x + 1 * 2", "def f(x):\n    return (\n        x + (1 * 2)\n    )"),
    ("a number's spelling", "def f(x): return x + 1000", "def f(x): return x + 1_000"),
    ("what a docstring says", "def f(x):\n 'a'\n return x + 3", "def f(x):\n 'b'\n return x + 3"),
    (
        "a nested docstring",
        "def f(x):\n def g(y):\n  'a'\n  return y\n return g(x)",
        "def f(x):\n def g(y):\n  'b'\n  return y\n return g(x)",
    ),
    (
        "a class's docstring",
        "class A:\n 'a'\n def g(s): return 1\ndef f(x): return A().g()",
        "class A:\n 'b'\n def g(s): return 1\ndef f(x): return A().g()",
    ),
    (
        "the docstring of a nested class",
        "def f(x):\n class A:\n  'a'\n  n = 3\n return A.n",
        "def f(x):\n class A:\n  'b'\n  n = 3\n return A.n",
    ),
    (
        "a renamed local # only the function itself sees it",
        "def f(x):\n a = x + 1\n return a * a",
        "def f(x):\n b = x + 1\n return b * b",
    ),
    ("a renamed local inside a comprehension", "def f(x): return [a for a in x]", "def f(x): return [b for b in x]"),
    (
        "a renamed inner function",
        "def f(x):\n def g(y): return y\n return g(x)",
        "def f(x):\n def h(y): return y\n return h(x)",
    ),
    (
        "a renamed closure variable",
        "def make(n):\n def f(x): return x * n\n return f\nf = make(3)",
        "def make(m):\n def f(x): return x * m\n return f\nf = make(3)",
    ),
    ("a renamed function # its name does nothing", "def g(x): return x + 1\nf = g", "def h(x): return x + 1\nf = h"),
    ("another function beside it", "def f(x): return x + 1", "def g(x): return 0\nN = 3\ndef f(x): return x + 1"),
    ("annotations", "def f(x): return x", "def f(x: int) -> int: return x"),
    ("a future statement", "def f(x): return x", "from __future__ import annotations\ndef f(x: int): return x"),
    (
        "a function in another function",
        "def f(x): return x + 1",
        "def make():\n def f(x): return x + 1\n return f\nf = make()",
    ),
    ("a global that is not named", "N = 3\ndef f(x): return x.N", "N = 4\ndef f(x): return x.N"),
    (
        "a global that the function itself counts in",
        "N = 3\ndef f(x):\n global N\n N += 1\n return x",
        "N = 4\ndef f(x):\n global N\n N += 1\n return x",
    ),
    (
        "a closure variable that it counts in",
        "def make(n):\n def f(x):\n  nonlocal n\n  n += 1\n  return x\n return f\nf = make(1)",
        "def make(n):\n def f(x):\n  nonlocal n\n  n += 1\n  return x\n return f\nf = make(2)",
    ),
    ("the place of its file", "def f(x): return __file__", "def f(x): return __file__"),
    (
        "a long table's values # known by length",
        "T = [0] * 100\ndef f(x): return T[x]",
        "T = [1] * 100\ndef f(x): return T[x]",
    ),
    (
        "an array's values # known by shape",
        "import numpy\nA = numpy.zeros(3)\ndef f(x): return A * x",
        "import numpy\nA = numpy.ones(3)\ndef f(x): return A * x",
    ),
    ("a set's order", "S = {'a', 'b', 'c'}\ndef f(x): return x in S", "S = {'c', 'b', 'a'}\ndef f(x): return x in S"),
    (
        "a dict's order # made from a set it differs by hash seed",
        "D = {'a': 1, 'b': 2}\ndef f(x): return D[x]",
        "D = {'b': 2, 'a': 1}\ndef f(x): return D[x]",
    ),
    (
        "a method that nothing names",
        "class A:\n def run(s, x): return x\n def other(s): return 1\nf = A().run",
        "class A:\n def run(s, x): return x\n def other(s): return 2\nf = A().run",
    ),
    (
        "the order of methods",
        "class A:\n def run(s, x): return s.go()\n def go(s): return 1\nf = A().run",
        "class A:\n def go(s): return 1\n def run(s, x): return s.go()\nf = A().run",
    ),
    (
        "a class moved to another file",
        "class A:\n n = 3\ndef f(x): return A.n",
        "from other import A\ndef f(x): return A.n\n# file: other.py\nclass A:\n n = 3",
    ),
    (
        "a helper moved to another file",
        "def g(x): return x + 1\ndef f(x): return g(x)",
        "from other import g\ndef f(x): return g(x)\n# file: other.py\ndef g(x): return x + 1",
    ),
    ("recursion", "def f(x): return f(x - 1) if x else 0", "\n\ndef f(x): return f(x - 1) if x else 0"),
    (
        "mutual recursion",
        "def g(x): return f(x - 1)\ndef f(x): return g(x)",
        "def f(x): return g(x)\ndef g(x): return f(x - 1)",
    ),
    (
        "a logger",
        "import logging\nlog = logging.getLogger('a')\ndef f(x): log.info(x)",
        "import logging\nlog = logging.getLogger('a'); log.isEnabledFor(20)\ndef f(x): log.info(x)",
    ),
    (
        "a store that is still empty",
        "seen = {}\ndef f(x): return seen.get(x)",
        "seen = {}\ndef f(x): return seen.get(x)",
    ),
    (
        "what an object says of itself, whatever else it is",
        "class A:\n def __amorsize_fingerprint__(s): return 'a'\n def __call__(s, x): return 1\nf = A()",
        "class A:\n def __amorsize_fingerprint__(s): return 'a'\n def __call__(s, x): return 2\nf = A()",
    ),
]
