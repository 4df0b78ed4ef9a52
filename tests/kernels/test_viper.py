"""Viper's kernels keep to what every release's emitter compiles right."""

import ast

import pytest
from support import ROOT, runtime_of

from l3host.emulate import runtimes

PACKAGE = ROOT / "device" / "l3mote"
SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if "@micropython.viper" in path.read_text()]


def constant_stores(tree):
    """Lines of assignments to a[n] where n is a constant other than 0, whatever the assignment's form."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            try:
                index = ast.literal_eval(node.slice)
            except ValueError:
                continue
            if index != 0:
                yield node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_viper_stores_at_no_constant_index_but_0(path):
    """MicroPython 1.25's Xtensa emitter stores the wrong register at 1 to 255."""
    functions = [f for f in ast.walk(ast.parse(path.read_text())) if isinstance(f, ast.FunctionDef)]
    viper = [f for f in functions if any(ast.unparse(d) == "micropython.viper" for d in f.decorator_list)]
    assert viper and [line for f in viper for line in constant_stores(f)] == []


STORES = """
import sys
from array import array
import micropython

@micropython.viper
def constant(a: ptr32, v: int):
    a[3] = v + 1

@micropython.viper
def moved(a: ptr32, v: int):
    q = ptr32(int(a) + 12)
    q[0] = v + 1

@micropython.viper
def computed(a: ptr32, v: int):
    k = 2
    a[k + 1] = v + 1

def work(folder):
    for f in (constant, moved, computed):
        a = array("i", [0, 0, 0, 0])
        f(a, 5)
        print(a[3])
    print(sys.implementation.version[:2] == (1, 25))
    yield
"""


def test_what_viper_does_instead_is_right_where_the_emitter_is_wrong(tmp_path):
    """On MicroPython 1.25 for Xtensa the smallest form stores v."""
    lx7 = runtime_of("lx7")
    folder, library, script = tmp_path / "job", tmp_path / "lib", tmp_path / "stores.py"
    folder.mkdir()
    library.mkdir()
    script.write_text(STORES)
    done = runtimes.execute(lx7, script, library, folder)
    constant, moved, computed, faulty = done.stdout.split()
    assert (moved, computed) == ("6", "6"), done.stdout + done.stderr
    assert constant == ("5" if faulty == "True" else "6")
