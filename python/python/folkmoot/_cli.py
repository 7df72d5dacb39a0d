"""The console script ``folkmoot``."""

import sys

from ._native import run_program


def main() -> int:
    """Run the program with the arguments of this process."""
    return run_program(sys.argv[1:])
