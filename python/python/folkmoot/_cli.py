"""The console script ``folkmoot``."""

import signal
import sys
import threading

from ._native import run_program


def main() -> int:
    """Run the program with the arguments of this process."""
    # Ctrl-C is the program's: `serve` stops in order and `bench` ends at once. Python's own handler
    # would be called too, and raise KeyboardInterrupt when the program has ended well.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return run_program(sys.argv[1:])
