"""Pairs of sources that must not share a fingerprint.

Every source defines ``f``. A line ``# file: name.py`` starts another file beside it; ``#`` in a title begins the
reason.
"""

DIFFERENT = [
    ("a constant", "def f(x): return x + 3", "def f(x): return x + 4"),
    ("int and float constants", "def f(x): return x + 1", "def f(x): return x + 1.0"),
    ("int and bool constants", "def f(x): return [x, 1]", "def f(x): return [x, True]"),
    ("zero and minus zero", "def f(x): return x, 0.0", "def f(x): return x, -0.0"),
    ("text and bytes", "def f(x): return x, 'a'", "def f(x): return x, b'a'"),
    ("text and its repr", "def f(x): return x, '1'", "def f(x): return x, \"'1'\""),
    ("complex constants", "def f(x): return x, 1j", "def f(x): return x, 2j"),
    ("a long int", f"def f(x): return x + 0x{'f' * 9000}", f"def f(x): return x + 0x{'f' * 8999}e"),
    ("the end of a huge constant", f"def f(x): return '{'a' * 90000}'", f"def f(x): return '{'a' * 89999}b'"),
    ("lone surrogates", "def f(x): return '\\ud800'", "def f(x): return '\\ud801'"),
    ("where a tuple ends", "def f(x): return (1, (2, 3))", "def f(x): return ((1, 2), 3)"),
    ("an ellipsis first or last", "def f(x): return x[..., 0]", "def f(x): return x[0, ...]"),
    ("a slice", "def f(x): return x[1:5]", "def f(x): return x[1:6]"),
    ("members of a frozenset", "def f(x): return x in {'a', 'b'}", "def f(x): return x in {'a', 'c'}"),
    ("an operator", "def f(x): return x * 3", "def f(x): return x + 3"),
    ("a comparison", "def f(x): return x < 3", "def f(x): return x <= 3"),
    ("an attribute", "def f(x): return x.real", "def f(x): return x.imag"),
    ("a builtin", "def f(x): return min(x)", "def f(x): return max(x)"),
    ("a generator", "def f(x): return x", "def f(x): yield x"),
    ("the order of arguments", "def f(a, b=0): return a - b", "def f(b, a=0): return a - b"),
    ("positional only", "def f(a, b=0): return a - b", "def f(a, b=0, /): return a - b"),
    ("a parameter's name # it can be called by it", "def f(x): return x", "def f(y): return y"),
    (
        "which errors are caught",
        "def f(x):\n try: return x\n except KeyError: return 0",
        "def f(x):\n try: return x\n except OSError: return 0",
    ),
    (
        "what is tried",
        "def f(x):\n a = g(x)\n try: b = g(a)\n except KeyError: b = 0\n return b",
        "def f(x):\n try:\n  a = g(x); b = g(a)\n except KeyError: b = 0\n return b",
    ),
    ("a default", "def f(x, n=3): return x * n", "def f(x, n=4): return x * n"),
    ("a keyword default", "def f(x, *, n=3): return x * n", "def f(x, *, n=4): return x * n"),
    ("a default that is a function", "def f(x, g=lambda y: y): return g(x)", "def f(x, g=lambda y: -y): return g(x)"),
    ("a default dict's value", "def f(x, o={'n': 3}): return x * o['n']", "def f(x, o={'n': 4}): return x * o['n']"),
    ("a global", "LIMIT = 3\ndef f(x): return x * LIMIT", "LIMIT = 4\ndef f(x): return x * LIMIT"),
    (
        "a global inside a comprehension",
        "N = 3\ndef f(x): return [y * N for y in x]",
        "N = 4\ndef f(x): return [y * N for y in x]",
    ),
    ("a global for a builtin", "def f(x): return len(x)", "def len(x): return 3\ndef f(x): return len(x)"),
    (
        "a number in a global dict",
        "C = {'n': 10}\ndef f(x): return x * C['n']",
        "C = {'n': 1000}\ndef f(x): return x * C['n']",
    ),
    (
        "a function in a global dict",
        "T = {'a': lambda x: x}\ndef f(x): return T['a'](x)",
        "T = {'a': lambda x: x * 2}\ndef f(x): return T['a'](x)",
    ),
    ("a global list's length", "T = [0] * 100\ndef f(x): return T[x]", "T = [0] * 9000\ndef f(x): return T[x]"),
    (
        "a global regular expression",
        "import re\nP = re.compile('a+')\ndef f(x): return P.match(x)",
        "import re\nP = re.compile('b+')\ndef f(x): return P.match(x)",
    ),
    ("a global range", "R = range(10)\ndef f(x): return x in R", "R = range(99)\ndef f(x): return x in R"),
    (
        "an int subclass's value",
        "class I(int): pass\nN = I(3)\ndef f(x): return x * N",
        "class I(int): pass\nN = I(4)\ndef f(x): return x * N",
    ),
    (
        "an enum's value",
        "import enum\nclass E(enum.Enum):\n A = 1\ndef f(x): return E.A",
        "import enum\nclass E(enum.Enum):\n A = 2\ndef f(x): return E.A",
    ),
    (
        "a closure",
        "def make(n):\n def f(x): return x * n\n return f\nf = make(3)",
        "def make(n):\n def f(x): return x * n\n return f\nf = make(4)",
    ),
    (
        "a closure's function",
        "def make(g): return lambda x: g(x)\nf = make(lambda x: x)",
        "def make(g): return lambda x: g(x)\nf = make(lambda x: x + 1)",
    ),
    (
        "a nested function",
        "def f(x):\n def g(y): return y + 1\n return g(x)",
        "def f(x):\n def g(y): return y + 2\n return g(x)",
    ),
    ("a nested class", "def f(x):\n class A:\n  n = 3\n return A.n", "def f(x):\n class A:\n  n = 4\n return A.n"),
    ("lambdas on one line", "g, f = lambda x: x + 1, lambda x: x + 2", "f, g = lambda x: x + 1, lambda x: x + 2"),
    ("a helper", "def g(x): return x + 1\ndef f(x): return g(x)", "def g(x): return x + 2\ndef f(x): return g(x)"),
    (
        "a helper's default",
        "def g(x, n=1): return x + n\ndef f(x): return g(x)",
        "def g(x, n=2): return x + n\ndef f(x): return g(x)",
    ),
    (
        "a helper's global",
        "N = 1\ndef g(x): return x + N\ndef f(x): return g(x)",
        "N = 2\ndef g(x): return x + N\ndef f(x): return g(x)",
    ),
    (
        "a helper two levels down",
        "def h(x): return x + 1\ndef g(x): return h(x)\ndef f(x): return g(x)",
        "def h(x): return x + 2\ndef g(x): return h(x)\ndef f(x): return g(x)",
    ),
    (
        "a helper in another file",
        "from helpers import g\ndef f(x): return g(x)\n# file: helpers.py\ndef g(x): return x",
        "from helpers import g\ndef f(x): return g(x)\n# file: helpers.py\ndef g(x): return -x",
    ),
    (
        "a helper by its module",
        "import helpers\ndef f(x): return helpers.g(x)\n# file: helpers.py\ndef g(x): return x",
        "import helpers\ndef f(x): return helpers.g(x)\n# file: helpers.py\ndef g(x): return -x",
    ),
    (
        "a helper's helper by its module",
        (
            "import helpers\ndef f(x): return helpers.g(x)\n# file: helpers.py\nimport deep\n"
            "def g(x): return deep.h(x)\n"
            "# file: deep.py\ndef h(x): return 1"
        ),
        (
            "import helpers\ndef f(x): return helpers.g(x)\n# file: helpers.py\nimport deep\n"
            "def g(x): return deep.h(x)\n"
            "# file: deep.py\ndef h(x): return 2"
        ),
    ),
    (
        "a constant by its module",
        "import helpers\ndef f(x): return x * helpers.N\n# file: helpers.py\nN = 3",
        "import helpers\ndef f(x): return x * helpers.N\n# file: helpers.py\nN = 4",
    ),
    (
        "which function of a library",
        "import json\ndef f(x): return json.loads(x)",
        "import json\ndef f(x): return json.dumps(x)",
    ),
    (
        "a library's function as a global",
        "from math import sin as g\ndef f(x): return g(x)",
        "from math import cos as g\ndef f(x): return g(x)",
    ),
    (
        "a partial's argument",
        "import functools\nf = functools.partial(pow, 2)",
        "import functools\nf = functools.partial(pow, 3)",
    ),
    (
        "a partial's keyword",
        "import functools\nf = functools.partial(int, base=2)",
        "import functools\nf = functools.partial(int, base=8)",
    ),
    (
        "a partial's function",
        "import functools\ndef g(a, b): return a + b\nf = functools.partial(g, 2)",
        "import functools\ndef g(a, b): return a * b\nf = functools.partial(g, 2)",
    ),
    (
        "a partial and its function",
        "import functools\ndef f(x): return x",
        "import functools\ndef g(x): return x\nf = functools.partial(g)",
    ),
    (
        "what is wrapped",
        (
            "import functools\ndef d(g):\n @functools.wraps(g)\n def w(x): return g(x)\n"
            " return w\n@d\ndef f(x): return x + 1"
        ),
        (
            "import functools\ndef d(g):\n @functools.wraps(g)\n def w(x): return g(x)\n"
            " return w\n@d\ndef f(x): return x + 2"
        ),
    ),
    (
        "what wraps",
        (
            "import functools\ndef d(g):\n @functools.wraps(g)\n def w(x): return g(x)\n"
            " return w\n@d\ndef f(x): return x + 1"
        ),
        (
            "import functools\ndef d(g):\n @functools.wraps(g)\n def w(x): return -g(x)\n"
            " return w\n@d\ndef f(x): return x + 1"
        ),
    ),
    (
        "a library's decorator around",
        "import contextlib\n@contextlib.contextmanager\ndef f(x): yield x",
        "import contextlib\n@contextlib.contextmanager\ndef f(x): yield x, x",
    ),
    (
        "what is cached",
        "import functools\n@functools.lru_cache\ndef f(x): return x + 1",
        "import functools\n@functools.lru_cache\ndef f(x): return x + 2",
    ),
    (
        "the size of a cache",
        "import functools\n@functools.lru_cache(10)\ndef f(x): return x",
        "import functools\n@functools.lru_cache(None)\ndef f(x): return x",
    ),
    ("cached and not", "import functools\n@functools.lru_cache\ndef f(x): return x", "def f(x): return x"),
    (
        "a method",
        "class A:\n def run(self, x): return x + 1\nf = A().run",
        "class A:\n def run(self, x): return x + 2\nf = A().run",
    ),
    (
        "a method that a method calls",
        "class A:\n def run(self, x): return self.step(x)\n def step(self, x): return x + 1\nf = A().run",
        "class A:\n def run(self, x): return self.step(x)\n def step(self, x): return x + 2\nf = A().run",
    ),
    (
        "one method on a fast and a slow class",
        "class B:\n def run(self, x): return self.step(x)\nclass A(B):\n def step(self, x): return x\nf = A().run",
        (
            "class B:\n def run(self, x): return self.step(x)\nclass A(B):\n"
            " def step(self, x): return sum(range(x))\nf = A().run"
        ),
    ),
    (
        "an inherited method",
        "class B:\n def run(self, x): return 1\nclass A(B): pass\nf = A().run",
        "class B:\n def run(self, x): return 2\nclass A(B): pass\nf = A().run",
    ),
    (
        "what a method is bound to",
        "class A:\n def __init__(self, n): self.n = n\n def run(self, x): return self.n\nf = A(3).run",
        "class A:\n def __init__(self, n): self.n = n\n def run(self, x): return self.n\nf = A(4).run",
    ),
    (
        "state in slots",
        "class A:\n __slots__ = ('n',)\n def run(self, x): return self.n\na = A(); a.n = 3\nf = a.run",
        "class A:\n __slots__ = ('n',)\n def run(self, x): return self.n\na = A(); a.n = 4\nf = a.run",
    ),
    (
        "a class method",
        "class A:\n @classmethod\n def run(cls, x): return 1\nf = A.run",
        "class A:\n @classmethod\n def run(cls, x): return 2\nf = A.run",
    ),
    (
        "a static method called by name",
        "class A:\n @staticmethod\n def g(x): return 1\ndef f(x): return A.g(x)",
        "class A:\n @staticmethod\n def g(x): return 2\ndef f(x): return A.g(x)",
    ),
    (
        "a property",
        "class A:\n @property\n def n(self): return 1\ndef f(x): return A().n",
        "class A:\n @property\n def n(self): return 2\ndef f(x): return A().n",
    ),
    (
        "a cached property",
        "import functools\nclass A:\n @functools.cached_property\n def n(self): return 1\ndef f(x): return A().n",
        "import functools\nclass A:\n @functools.cached_property\n def n(self): return 2\ndef f(x): return A().n",
    ),
    ("a class attribute", "class A:\n n = 3\ndef f(x): return x * A.n", "class A:\n n = 4\ndef f(x): return x * A.n"),
    ("a class", "class f:\n def __init__(self, x): self.x = x", "class f:\n def __init__(self, x): self.x = -x"),
    (
        "a metaclass",
        "class M(type): pass\nclass f(metaclass=M): pass",
        "class M(type):\n def __call__(cls, x): return x\nclass f(metaclass=M): pass",
    ),
    (
        "a method that a helper's item is asked for",
        "class A:\n def go(self): return 1\ndef g(a): return a.go()\ndef f(x): return g(A())",
        "class A:\n def go(self): return 2\ndef g(a): return a.go()\ndef f(x): return g(A())",
    ),
    (
        "a callable instance",
        "class A:\n def __call__(self, x): return x + 1\nf = A()",
        "class A:\n def __call__(self, x): return x + 2\nf = A()",
    ),
    (
        "a callable instance's state",
        "class A:\n def __init__(s, n): s.n = n\n def __call__(s, x): return s.n\nf = A(3)",
        "class A:\n def __init__(s, n): s.n = n\n def __call__(s, x): return s.n\nf = A(4)",
    ),
    ("C functions", "from math import sin as f", "from math import cos as f"),
    ("methods of builtin objects", "f = 'abc'.count", "f = 'abd'.count"),
    ("methods of builtin types", "f = str.upper", "f = str.lower"),
    ("ufuncs", "from numpy import sin as f", "from numpy import cos as f"),
    ("numpy functions", "from numpy import sum as f", "from numpy import mean as f"),
    (
        "a ufunc in a global",
        "from numpy import sin as g\ndef f(x): return g(x)",
        "from numpy import cos as g\ndef f(x): return g(x)",
    ),
    (
        "what is vectorized",
        "import numpy\nf = numpy.vectorize(lambda x: x + 1)",
        "import numpy\nf = numpy.vectorize(lambda x: x + 2)",
    ),
    (
        "an array's shape",
        "import numpy\nA = numpy.zeros(3)\ndef f(x): return A * x",
        "import numpy\nA = numpy.zeros(4)\ndef f(x): return A * x",
    ),
    (
        "an array's type",
        "import numpy\nA = numpy.zeros(3)\ndef f(x): return A * x",
        "import numpy\nA = numpy.zeros(3, 'f4')\ndef f(x): return A * x",
    ),
    ("a docstring that is used", "def f(x):\n 'a'\n return 'a'", "def f(x):\n 'b'\n return 'b'"),
    ("a docstring that is read", "def f(x):\n 'a'\n return f.__doc__", "def f(x):\n 'b'\n return f.__doc__"),
    ("a local's name that is seen", "def f(x):\n a = x\n return locals()", "def f(x):\n b = x\n return locals()"),
    (
        "what an object says of itself",
        "class A:\n def __amorsize_fingerprint__(s): return 'a'\n def __call__(s, x): pass\nf = A()",
        "class A:\n def __amorsize_fingerprint__(s): return 'b'\n def __call__(s, x): pass\nf = A()",
    ),
    (
        "text and bytes that are said",
        "def f(x): return x\nf.__amorsize_fingerprint__ = lambda: 'a'",
        "def f(x): return x\nf.__amorsize_fingerprint__ = lambda: b'a'",
    ),
    (
        "a function in a table keyed by types",
        "T = {int: lambda x: x, str: len}\ndef f(x): return T[type(x)](x)",
        "T = {int: lambda x: x * 2, str: len}\ndef f(x): return T[type(x)](x)",
    ),
    (
        "a function in a table keyed by members of an enum",
        "import enum\nclass E(enum.Enum):\n A = 1\n B = 2\nT = {E.A: abs, E.B: len}\ndef f(x): return T[E.A](x)",
        "import enum\nclass E(enum.Enum):\n A = 1\n B = 2\nT = {E.A: max, E.B: len}\ndef f(x): return T[E.A](x)",
    ),
    (
        "a function in a table keyed by types in tuples",
        "T = {(int, str): lambda x: x}\ndef f(x): return T[int, str](x)",
        "T = {(int, str): lambda x: -x}\ndef f(x): return T[int, str](x)",
    ),
    (
        "which types are in a set",
        "S = {int, str}\ndef f(x): return type(x) in S",
        "S = {int, bytes}\ndef f(x): return type(x) in S",
    ),
    (
        "which functions are in a frozenset",
        "S = frozenset([abs, len])\ndef f(x): return [g(x) for g in S]",
        "S = frozenset([abs, max])\ndef f(x): return [g(x) for g in S]",
    ),
    (
        "what a single dispatch goes to",
        (
            "import functools\n@functools.singledispatch\ndef g(x): return 0\n"
            "g.register(int)(lambda x: x)\ndef f(x): return g(x)"
        ),
        (
            "import functools\n@functools.singledispatch\ndef g(x): return 0\n"
            "g.register(int)(lambda x: -x)\ndef f(x): return g(x)"
        ),
    ),
    (
        "what a single dispatch of a method goes to",
        (
            "import functools\nclass A:\n @functools.singledispatchmethod\n def g(s, x): return 0\n"
            " @g.register\n def _(s, x: int): return 1\na = A()\ndef f(x): return a.g(x)"
        ),
        (
            "import functools\nclass A:\n @functools.singledispatchmethod\n def g(s, x): return 0\n"
            " @g.register\n def _(s, x: int): return 2\na = A()\ndef f(x): return a.g(x)"
        ),
    ),
    (
        "a value in a namespace",
        "import types\nN = types.SimpleNamespace(depth=1, sizes=[1])\ndef f(x): return N.depth",
        "import types\nN = types.SimpleNamespace(depth=1, sizes=[2])\ndef f(x): return N.depth",
    ),
    (
        "a list among the arguments of a program",
        "import argparse\nA = argparse.Namespace(sizes=[1], depth=1)\ndef f(x): return A.sizes[0]",
        "import argparse\nA = argparse.Namespace(sizes=[9], depth=1)\ndef f(x): return A.sizes[0]",
    ),
    (
        "an option in a file of settings",
        (
            "import configparser\nC = configparser.ConfigParser()\nC.read_string('[a]\\nn = 1')\n"
            "def f(x): return C.getint('a', 'n')"
        ),
        (
            "import configparser\nC = configparser.ConfigParser()\nC.read_string('[a]\\nn = 2')\n"
            "def f(x): return C.getint('a', 'n')"
        ),
    ),
    (
        "an environment variable",
        "import os\nos.environ['AMORSIZE_N'] = '1'\nimport os\ndef f(x): return os.environ.get('AMORSIZE_N', '3')",
        "import os\nos.environ['AMORSIZE_N'] = '2'\nimport os\ndef f(x): return os.environ.get('AMORSIZE_N', '3')",
    ),
    (
        "an environment variable that a helper asks for",
        (
            "import os\nos.environ['AMORSIZE_N'] = '1'\ndef setting(name): return os.getenv(name)\n"
            "def f(x): return setting('AMORSIZE_N')"
        ),
        (
            "import os\nos.environ['AMORSIZE_N'] = '2'\ndef setting(name): return os.getenv(name)\n"
            "def f(x): return setting('AMORSIZE_N')"
        ),
    ),
    (
        "an environment variable that a global names",
        "from os import environ\nenviron['AMORSIZE_N'] = '1'\nN = 'AMORSIZE_N'\ndef f(x): return environ[N]",
        "from os import environ\nenviron['AMORSIZE_N'] = '2'\nN = 'AMORSIZE_N'\ndef f(x): return environ[N]",
    ),
    (
        "what a program was called with",
        "import sys\nsys.argv = ['a', '1']\ndef f(x): return sys.argv[1]",
        "import sys\nsys.argv = ['a', '2']\ndef f(x): return sys.argv[1]",
    ),
    (
        "a path",
        "import pathlib\nP = pathlib.Path('a') / 'b'\ndef f(x): return P / x",
        "import pathlib\nP = pathlib.Path('a') / 'c'\ndef f(x): return P / x",
    ),
    (
        "a path in a table",
        "import pathlib\nT = {'a': [pathlib.Path('a')]}\ndef f(x): return T[x]",
        "import pathlib\nT = {'a': [pathlib.Path('b')]}\ndef f(x): return T[x]",
    ),
    (
        "a date",
        "import datetime\nD = datetime.datetime(2026, 1, 1)\ndef f(x): return D < x",
        "import datetime\nD = datetime.datetime(2026, 1, 2)\ndef f(x): return D < x",
    ),
    (
        "a decimal number",
        "import decimal\nD = decimal.Decimal('0.1')\ndef f(x): return D * x",
        "import decimal\nD = decimal.Decimal('0.2')\ndef f(x): return D * x",
    ),
    (
        "a scalar of numpy",
        "import numpy\nN = numpy.int64(3)\ndef f(x): return N * x",
        "import numpy\nN = numpy.int64(4)\ndef f(x): return N * x",
    ),
    (
        "what a context variable holds",
        "import contextvars\nV = contextvars.ContextVar('V')\nV.set(1)\ndef f(x): return V.get()",
        "import contextvars\nV = contextvars.ContextVar('V')\nV.set(2)\ndef f(x): return V.get()",
    ),
    (
        "a deque",
        "import collections\nD = collections.deque([1])\ndef f(x): return D[0]",
        "import collections\nD = collections.deque([2])\ndef f(x): return D[0]",
    ),
    (
        "an array's numbers",
        "import array\nA = array.array('d', [1])\ndef f(x): return A[0]",
        "import array\nA = array.array('d', [2])\ndef f(x): return A[0]",
    ),
    (
        "an array's type code",
        "import array\nA = array.array('d', [0])\ndef f(x): return A[0]",
        "import array\nA = array.array('q', [0])\ndef f(x): return A[0]",
    ),
    ("a bytearray", "B = bytearray(b'a')\ndef f(x): return B[0]", "B = bytearray(b'b')\ndef f(x): return B[0]"),
    (
        "a read-only mapping",
        "import types\nM = types.MappingProxyType({'a': 1})\ndef f(x): return M['a']",
        "import types\nM = types.MappingProxyType({'a': 2})\ndef f(x): return M['a']",
    ),
    (
        "a mapping of mappings",
        "import collections\nM = collections.ChainMap({'a': 1}, {'b': 1})\ndef f(x): return M['b']",
        "import collections\nM = collections.ChainMap({'a': 1}, {'b': 2})\ndef f(x): return M['b']",
    ),
    (
        "what a dict of one's own class does",
        "class D(dict):\n def __missing__(s, k): return 1\nT = D(a=1)\ndef f(x): return T[x]",
        "class D(dict):\n def __missing__(s, k): return 2\nT = D(a=1)\ndef f(x): return T[x]",
    ),
    (
        "what a list of one's own class holds beside its elements",
        "class L(list): pass\nT = L([1])\nT.n = 1\ndef f(x): return T.n",
        "class L(list): pass\nT = L([1])\nT.n = 2\ndef f(x): return T.n",
    ),
    (
        "what a default dict fills in",
        "import collections\nT = collections.defaultdict(lambda: 1, a=1)\ndef f(x): return T.get(x)",
        "import collections\nT = collections.defaultdict(lambda: 2, a=1)\ndef f(x): return T.get(x)",
    ),
    ("an empty table and one of one", "T = []\ndef f(x): return len(T)", "T = [1]\ndef f(x): return len(T)"),
    (
        "an attribute that only code that makes the object assigns",
        "class A:\n def __init__(s): s.n = 1\n def __call__(s, x): return s.n\nf = A()",
        "class A:\n def __init__(s): s.n = 2\n def __call__(s, x): return s.n\nf = A()",
    ),
    (
        "an attribute that a method assigns which is not called",
        "class A:\n n = 0\n def set(s, n): s.n = n\n def __call__(s, x): return s.n\nf = A(); f.set(1)",
        "class A:\n n = 0\n def set(s, n): s.n = n\n def __call__(s, x): return s.n\nf = A(); f.set(2)",
    ),
    (
        "an attribute of a setting that has the name of one that items are given",
        "class A: pass\nc = A(); c.n = 1\ndef f(x):\n x.n = c.n\n return x",
        "class A: pass\nc = A(); c.n = 2\ndef f(x):\n x.n = c.n\n return x",
    ),
    (
        "what is counted by another function",
        "T = {}\ndef count(x): T[x] = 1\nT['a'] = 1\ndef f(x): return T['a']",
        "T = {}\ndef count(x): T[x] = 1\nT['a'] = 2\ndef f(x): return T['a']",
    ),
    (
        "an object in an object of a library",
        (
            "import types, functools\nclass A:\n def __init__(s, n): s.n = n\n"
            "N = types.SimpleNamespace(a=types.SimpleNamespace(b=A(1)))\ndef f(x): return N.a.b.n"
        ),
        (
            "import types, functools\nclass A:\n def __init__(s, n): s.n = n\n"
            "N = types.SimpleNamespace(a=types.SimpleNamespace(b=A(2)))\ndef f(x): return N.a.b.n"
        ),
    ),
    (
        "a regular expression among the settings of a library's object",
        "import re, types\nN = types.SimpleNamespace(p=re.compile('a'))\ndef f(x): return N.p.match(x)",
        "import re, types\nN = types.SimpleNamespace(p=re.compile('b'))\ndef f(x): return N.p.match(x)",
    ),
    (
        "an attribute of the function that it reads",
        "def f(x): return x * f.n\nf.n = 1",
        "def f(x): return x * f.n\nf.n = 2",
    ),
    (
        "an attribute of a helper that it reads",
        "def g(x): return x\ng.n = 1\ndef f(x): return g(x), g.n",
        "def g(x): return x\ng.n = 2\ndef f(x): return g(x), g.n",
    ),
    (
        "the size of what a long list holds",
        "T = ['x' * 10] * 100\ndef f(x): return T[x]",
        "T = ['x' * 10, ['x']] * 50\ndef f(x): return T[x]",
    ),
    (
        "the size of what a long table holds",
        "T = {n: [0] * 10 for n in range(100)}\ndef f(x): return T[x]",
        "T = {n: [0] * 10_000 for n in range(100)}\ndef f(x): return T[x]",
    ),
]
