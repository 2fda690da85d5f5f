"""Memory that is free, back to the machine."""

import ctypes


def give_back() -> None:
    """What was freed leaves this process, as far as the C library can give it back.

    glibc keeps it, in an arena for each thread, for what may come next. A process that loads day
    after day grew by it in steps, to twice what it held. Milliseconds, once a day that is loaded;
    where the C library is another one, nothing.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
