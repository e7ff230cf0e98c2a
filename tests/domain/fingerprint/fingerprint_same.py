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
    (
        "an object that counts its calls # its own code assigns the count",
        "class A:\n def __init__(s): s.calls = 0\n def __call__(s, x): s.calls += 1; return x\nf = A()",
        "class A:\n def __init__(s): s.calls = 0\n def __call__(s, x): s.calls += 1; return x\nf = A(); f(1); f(2)",
    ),
    (
        "an object whose methods count",
        (
            "class A:\n n = 0\n def run(s, x): s.count(); return x\n def count(s): s.n = s.n + 1\n"
            "a = A()\ndef f(x): return a.run(x)"
        ),
        (
            "class A:\n n = 0\n def run(s, x): s.count(); return x\n def count(s): s.n = s.n + 1\n"
            "a = A()\ndef f(x): return a.run(x)\nf(1)"
        ),
    ),
    (
        "a class that counts what is made of it",
        "class A:\n n = 0\n def run(s, x): A.n += 1; return x\nf = A().run",
        "class A:\n n = 0\n def run(s, x): A.n += 1; return x\nf = A().run\nf(1)",
    ),
    (
        "an object that remembers what it has worked out",
        (
            "class A:\n def __init__(s): s.known = {0: 0}\n"
            " def __call__(s, x):\n  if x not in s.known: s.known[x] = x\n  return s.known[x]\nf = A()"
        ),
        (
            "class A:\n def __init__(s): s.known = {0: 0}\n"
            " def __call__(s, x):\n  if x not in s.known: s.known[x] = x\n  return s.known[x]\n"
            "f = A()\nfor n in range(100): f(n)"
        ),
    ),
    (
        "a log that a method writes",
        "class A:\n def __init__(s): s.log = []\n def run(s, x): s.log.append(x)\nf = A().run",
        "class A:\n def __init__(s): s.log = []\n def run(s, x): s.log.append(x)\nf = A().run\nf(1)",
    ),
    (
        "a global table that it fills",
        "T = {}\ndef f(x):\n if x not in T: T[x] = x\n return T[x]",
        "T = {}\ndef f(x):\n if x not in T: T[x] = x\n return T[x]\nf(1)",
    ),
    (
        "a global table of lists that a helper fills",
        "import collections\nT = collections.defaultdict(list)\ndef g(x): T[x].append(x)\ndef f(x): return g(x)",
        "import collections\nT = collections.defaultdict(list)\ndef g(x): T[x].append(x)\ndef f(x): return g(x)\nf(1)",
    ),
    (
        "a table of an enclosing function that it fills",
        "def make():\n seen = set()\n def f(x): seen.add(x); return x\n return f\nf = make()",
        "def make():\n seen = set()\n def f(x): seen.add(x); return x\n return f\nf = make(); f(1)",
    ),
    (
        "a dict of one's own that remembers",
        "class M(dict):\n def __missing__(s, k): s[k] = k; return k\nm = M()\ndef f(x): return m[x]",
        "class M(dict):\n def __missing__(s, k): s[k] = k; return k\nm = M()\ndef f(x): return m[x]\nf(1)",
    ),
    (
        "an attribute of a global that it counts in",
        "import types\nN = types.SimpleNamespace(n=0)\ndef f(x): N.n += 1",
        "import types\nN = types.SimpleNamespace(n=0)\ndef f(x): N.n += 1\nf(1)",
    ),
    (
        "a property that is worked out once",
        (
            "import functools\nclass A:\n @functools.cached_property\n def t(s): return [1]\n"
            " def r(s, x): return s.t\nf = A().r"
        ),
        (
            "import functools\nclass A:\n @functools.cached_property\n def t(s): return [1]\n"
            " def r(s, x): return s.t\nf = A().r\nf(1)"
        ),
    ),
    (
        "a path that was asked for its text and its hash # which is salted",
        "import pathlib\nP = pathlib.Path('a') / 'b'\ndef f(x): return P",
        "import pathlib\nP = pathlib.Path('a') / 'b'\nhash(P), str(P), P.parts\ndef f(x): return P",
    ),
    (
        "a generator of random numbers that has drawn",
        "import random\nR = random.Random(1)\ndef f(x): return R.gauss(0, 1)",
        "import random\nR = random.Random(1)\ndef f(x): return R.gauss(0, 1)\nf(1)",
    ),
    (
        "a single dispatch that was called",
        "import functools\n@functools.singledispatch\ndef g(x): return 0\ndef f(x): return g(x)",
        "import functools\n@functools.singledispatch\ndef g(x): return 0\ndef f(x): return g(x)\nf(1)",
    ),
    (
        "the order of a table keyed by types and members of an enum",
        "import enum\nclass E(enum.Enum):\n A = 1\n B = 2\nT = {int: 1, E.A: 2, E.B: 3}\ndef f(x): return T",
        "import enum\nclass E(enum.Enum):\n A = 1\n B = 2\nT = {E.B: 3, E.A: 2, int: 1}\ndef f(x): return T",
    ),
    (
        "the order of a set of types and functions",
        "S = {int, str, len, abs}\ndef f(x): return S",
        "S = {abs, len, str, int}\ndef f(x): return S",
    ),
    (
        "a lock, an event and a queue that are used",
        "import queue, threading\nE = threading.Event(); Q = queue.Queue()\ndef f(x): E.set(); Q.put(x)",
        "import queue, threading\nE = threading.Event(); Q = queue.Queue()\ndef f(x): E.set(); Q.put(x)\nf(1)",
    ),
    (
        "an environment variable that it does not name",
        "import os\nos.environ['AMORSIZE_OTHER'] = '1'\ndef f(x): return os.environ.get('AMORSIZE_N')",
        "import os\nos.environ['AMORSIZE_OTHER'] = '2'\ndef f(x): return os.environ.get('AMORSIZE_N')",
    ),
    (
        "a default that it fills",
        "def f(x, known={}):\n if x not in known: known[x] = x\n return known[x]",
        "def f(x, known={}):\n if x not in known: known[x] = x\n return known[x]\nf(1)",
    ),
    (
        "a default dict that asking fills",
        "import collections\nT = collections.defaultdict(int)\ndef f(x): return T[x]",
        "import collections\nT = collections.defaultdict(int)\ndef f(x): return T[x]\nf(1)",
    ),
    (
        "counts in an object's object",
        (
            "class S: n = 0\nclass A:\n def __init__(s): s.stats = S()\n"
            " def __call__(s, x): s.stats.n += 1; return x\nf = A()"
        ),
        (
            "class S: n = 0\nclass A:\n def __init__(s): s.stats = S()\n"
            " def __call__(s, x): s.stats.n += 1; return x\nf = A(); f(1)"
        ),
    ),
    (
        "counts in its own attribute",
        "def f(x): f.calls += 1\nf.calls = 0",
        "def f(x): f.calls += 1\nf.calls = 0\nf(1)",
    ),
]
