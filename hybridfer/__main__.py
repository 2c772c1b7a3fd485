"""``python -m hybridfer``: the program, from its first moment to its last."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType


def main() -> None:
    """Run the program and end the process; an interrupt ends it with 130 at any moment."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from hybridfer.cli import main as program

        program()
    except SystemExit as ended:
        code = int(ended.code or 0)
    if threading.active_count() > 1:
        # Threads that are still at work in C++ would abort the process if Python ended under them.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt as ever, but end at once where a module is imported: many swallow it or take it ill."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            os.write(2, b"hybridfer: interrupted.\n")
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
