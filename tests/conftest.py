"""What holds for every test."""

import signal

from hypothesis import settings

# Started in the background of a shell without job control, this process ignores Ctrl-C, and so
# would every process that it starts. With a handler here, those get the default again.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Hypothesis fails an example that takes longer than 200 ms. On a busy machine any of them may, and
# pytest-timeout already ends a test that hangs.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
