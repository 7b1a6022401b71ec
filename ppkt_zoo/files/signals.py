"""Signals that wait while something is done that must be done whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType


@contextmanager
def signals_held() -> Iterator[None]:
    """Context in which Ctrl-C and the request to end wait; they are told again when it is left.

    For the few lines between the making of something and the note that it is there to be taken away. By handlers, not
    by the thread's mask: another thread would take the signal, and its exception still rise in this one. In threads
    other than the main one it does nothing, since exceptions of signals rise in the main one alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    def tell_again() -> None:
        for number in dict.fromkeys(came):
            signal.raise_signal(number)

    with ExitStack() as stack:  # a signal between two of its steps still has the others done
        stack.callback(tell_again)
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            # Ignored ones stay so; None is a handler that isn't Python's and could not be set again.
            if handler not in (signal.SIG_IGN, None):
                stack.callback(signal.signal, number, handler)
                signal.signal(number, note)
        yield
