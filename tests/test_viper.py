"""Viper's kernels keep to what every release's emitter compiles right."""

import ast

import pytest
from support import ROOT

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
