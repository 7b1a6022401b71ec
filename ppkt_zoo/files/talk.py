"""Where every layer tells its progress: on standard error, and nowhere once quiet was asked for."""

from ppkt_zoo.files.text import SafeConsole

_quiet = False


def be_quiet(quiet: bool) -> None:
    """Whether progress and remarks of this process are left out; errors and warnings never are."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether nobody wants progress and remarks."""
    return _quiet


def talk_console() -> SafeConsole:
    """A console for progress and remarks."""
    return SafeConsole(stderr=True, quiet=_quiet)
