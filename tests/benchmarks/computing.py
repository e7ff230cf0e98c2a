"""Workloads that compute with the standard library: some hold the GIL, some let it go."""

from __future__ import annotations

import ast
import csv
import decimal
import difflib
import hashlib
import io
import json
import os
import random
import re
import sqlite3
import statistics
import struct
import sysconfig
import textwrap
import tokenize
import zlib
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

LEFT_OUT = frozenset({"test", "tests", "site-packages", "dist-packages", "lib2to3", "idlelib", "__pycache__"})
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]+")
RECORD = struct.Struct("<IHHd")


@cache
def modules():
    """Return the paths of the running Python's standard library modules with their sizes in bytes, by path."""
    found = []
    for folder, folders, files in os.walk(sysconfig.get_paths()["stdlib"]):
        folders[:] = set(folders) - LEFT_OUT
        found += [Path(folder, file) for file in files if file.endswith(".py")]
    return tuple(sorted((str(path), path.stat().st_size) for path in found))


def paths_of(low, high, count):
    """Return the paths of some modules of at least low and less than high bytes, evenly taken."""
    fitting = [path for path, size in modules() if low <= size < high]
    return fitting[:: max(1, len(fitting) // count)][:count]


def texts_of(low, high, count):
    """Return the sources of some modules of at least low and less than high bytes."""
    return [Path(path).read_text(encoding="utf-8", errors="replace") for path in paths_of(low, high, count)]


def source_bytes(count):
    """Return so many bytes of source code, repeating it when there is not enough."""
    text = "".join(texts_of(10_000, 100_000, 100)).encode()
    return (text * (count // len(text) + 1))[:count]


def blocks(count, size):
    """Return blocks of source code that differ from each other."""
    text = source_bytes(4 << 20)
    starts = random.Random(4)
    return [text[start : start + size] for start in (starts.randrange(len(text) - size) for _ in range(count))]


def count_tokens(path):
    with tokenize.open(path) as file:
        return sum(1 for _ in tokenize.generate_tokens(file.readline))


def count_nodes(text):
    return sum(1 for _ in ast.walk(ast.parse(text)))


def dump_tree(text):
    return ast.dump(ast.parse(text))


def reload_document(text):
    return len(json.dumps(json.loads(text), sort_keys=True))


def documents(count=300, records=200):
    chance = random.Random(1)
    return [
        json.dumps([{"id": n, "score": chance.random(), "tags": [f"tag {n % 99}"] * 3} for n in range(records)])
        for _ in range(count)
    ]


def count_words(text):
    return len(set(WORD.findall(text)))


def paragraphs(count=8000, size=600):
    return [block.decode("utf-8", "replace") for block in blocks(count, size)]


def likeness(pair):
    return round(difflib.SequenceMatcher(None, *pair, autojunk=False).ratio(), 6)


def rising_pairs(count=60):
    texts = texts_of(4_000, 20_000, 40)
    return [(texts[n % 40][: 10 * n + 20], texts[(n + 1) % 40][: 10 * n + 20]) for n in range(count)]


def digits_of_root(precision):
    with decimal.localcontext() as context:
        context.prec = precision
        return str(decimal.Decimal(2).sqrt() * decimal.Decimal(3).ln())[-8:]


def falling_precisions(count=80):
    return [10 * (count - n) + 20 for n in range(count)]


def describe(numbers):
    return round(statistics.stdev(numbers) / statistics.fmean(numbers), 9)


def bimodal_groups(count=240):
    chance = random.Random(2)
    return [[chance.lognormvariate(0, 1) for _ in range(chance.choice((20, 1000)))] for _ in range(count)]


def smallest_factor(number):
    divisor = 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            return divisor
        divisor += 1
    return number


def mostly_easy_numbers(count=5000):
    """Return numbers of which one in fifty, at random, takes about a hundred times as long to factor as the others."""
    chance = random.Random(3)
    return [20011 * 20021 if chance.random() < 1 / 50 else 307 * 1000003 for _ in range(count)]


def in_cents(text):
    return round(float(text) * 100)


def prices(count=100_000):
    chance = random.Random(5)
    return [f"{chance.random() * 1000:.2f}" for _ in range(count)]


def unpack(record):
    return RECORD.unpack(record)[3]


def packed(count=40_000):
    return [RECORD.pack(n, n % 65536, n % 77, n / 3) for n in range(count)]


def total_of_column(text):
    return sum(int(row[2]) for row in csv.reader(io.StringIO(text)))


def tables(count=300, rows=1500):
    chance = random.Random(6)
    return ["".join(f"{n},name {n},{chance.randrange(999)}\n" for n in range(rows)) for _ in range(count)]


def deepest(text):
    def depth(node):
        return 1 + max(map(depth, node), default=0)

    return depth(ET.fromstring(text))


def markup(count=120, entries=200):
    entry = "<entry id='{}'><title>a title</title><body><p>some <b>text</b></p></body></entry>"
    return [f"<feed>{''.join(entry.format(n + turn) for n in range(entries))}</feed>" for turn in range(count)]


def grouped_by_database(seed):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE sale (shop INTEGER, amount INTEGER)")
    connection.executemany("INSERT INTO sale VALUES (?, ?)", ((n % 17, n * seed % 101) for n in range(3000)))
    (best,) = connection.execute("SELECT sum(amount) AS total FROM sale GROUP BY shop ORDER BY total DESC").fetchone()
    connection.close()
    return best


@cache
def vocabulary():
    """Return how often each word stands in a part of the standard library; the first call takes long."""
    seen = {}
    for text in texts_of(10_000, 100_000, 200):
        for word in WORD.findall(text):
            seen[word] = seen.get(word, 0) + 1
    return seen


def commonness(text):
    known = vocabulary()
    return sum(known.get(word, 0) for word in WORD.findall(text))


def wrapped(text):
    return len(textwrap.wrap(text, 60))


def queens(board):
    """Return in how many ways queens can stand on a board of columns without threatening each other."""

    def place(row, columns, falling, rising):
        if row == board:
            return 1
        ways = 0
        for column in range(board):
            down, up = row + column, row - column + board
            if not (columns >> column | falling >> down | rising >> up) & 1:
                ways += place(row + 1, columns | 1 << column, falling | 1 << down, rising | 1 << up)
        return ways

    return place(0, 0, 0, 0)


def deflated_size(block):
    return len(zlib.compress(block, 6))


def inflate(packed_block):
    return zlib.decompress(packed_block)


def deflated_blocks(count=60, size=1 << 20):
    text = source_bytes(size + count)
    return [zlib.compress(text[n : n + size], 1) for n in range(count // 6)] * 6


def digest(block):
    return hashlib.sha256(block).hexdigest()


def stretched(password):
    return hashlib.pbkdf2_hmac("sha256", password, b"salt", 10_000).hex()


def checksum_of_file(path):
    with open(path, "rb") as file:  # noqa: PTH123  pathlib would cost as much as the reading
        return zlib.crc32(file.read())


FORGETTING = {"reset": vocabulary.cache_clear}
ROWS = (
    ("tokenize modules", count_tokens, lambda: paths_of(4_000, 14_000, 40), "pure Python, unequal, 10 ms"),
    ("walk syntax trees", count_nodes, lambda: texts_of(10_000, 60_000, 40), "pure Python, big items, unequal, 10 ms"),
    ("dump syntax trees", dump_tree, lambda: texts_of(8_000, 30_000, 30), "pure Python, big results, unequal, 10 ms"),
    ("reload json", reload_document, documents, "holds the lock in C, flat, 1 ms"),
    ("words of paragraphs", count_words, paragraphs, "holds the lock in C, flat, many, 50 us"),
    ("likeness of texts", likeness, rising_pairs, "pure Python, rising, 10 ms"),
    ("digits of a root", digits_of_root, falling_precisions, "holds the lock in C, falling, 5 ms"),
    ("describe groups", describe, bimodal_groups, "pure Python, bimodal, 1 ms"),
    ("factor numbers", smallest_factor, mostly_easy_numbers, "pure Python, one in fifty 100x longer, 10 us"),
    ("prices in cents", in_cents, prices, "pure Python, flat, very many, 1 us, serial is right"),
    ("unpack records", unpack, packed, "pure Python, flat, many, 1 us, serial is right"),
    ("sum csv column", total_of_column, tables, "holds the lock in C, flat, 500 us"),
    ("depth of xml", deepest, markup, "holds the lock in C, flat, 1 ms"),
    ("group in sqlite", grouped_by_database, lambda: range(1, 61), "mixed lock, flat, 5 ms"),
    ("commonness of words", commonness, lambda: paragraphs(400, 8000), "first call slow, 100 us", FORGETTING),
    ("wrap a few lines", wrapped, lambda: paragraphs(12, 300), "pure Python, tiny, 100 us, serial is right"),
    ("words of a stream", count_words, lambda: paragraphs(600, 12_000), "generator, 500 us", {"stream": True}),
    ("tokenize a few", count_tokens, lambda: paths_of(60_000, 200_000, 5), "pure Python, few, unequal, 100 ms"),
    ("queens", queens, lambda: [10, 10, 11, 10], "pure Python, few, bimodal, 500 ms"),
    ("deflate blocks", deflated_size, lambda: blocks(60, 100_000), "releases the lock, big items, flat, 5 ms"),
    ("inflate blocks", inflate, deflated_blocks, "releases the lock, big results, flat, 5 ms"),
    ("digest blocks", digest, lambda: blocks(120, 1_000_000), "releases the lock, big items, flat, 1 ms"),
    ("stretch passwords", stretched, lambda: [b"%d" % n for n in range(40)], "releases the lock, flat, 10 ms"),
    ("checksum files", checksum_of_file, lambda: paths_of(0, 1 << 20, 700), "releases the lock, files, unequal, 50 us"),
)  # fmt: skip
"""Name, function, data, properties and what else a workload states."""
