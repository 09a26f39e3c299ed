"""What holds for every test."""

import signal

# Started in the background of a shell without job control, this process ignores Ctrl-C, and so
# would every process that it starts. With a handler here, those get the default again.
signal.signal(signal.SIGINT, signal.default_int_handler)
