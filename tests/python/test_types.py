"""The stub says what the compiled module has; the package passes a strict type check."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

import folkmoot

pytest.importorskip("mypy")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(tmp_path: pathlib.Path, *arguments: str) -> None:
    environment = {**os.environ, "MYPY_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stub_is_true(tmp_path: pathlib.Path) -> None:
    check(tmp_path, "mypy.stubtest", "folkmoot._native")


def test_the_package_is_strict(tmp_path: pathlib.Path) -> None:
    check(tmp_path, "mypy", "--strict", str(pathlib.Path(folkmoot.__file__).parent))


def test_the_package_is_typed() -> None:
    assert (pathlib.Path(folkmoot.__file__).parent / "py.typed").exists()
