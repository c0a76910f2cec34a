"""TensorFlow without the lines that it prints when it starts.

They are written by C++ to file descriptor 2, some of them whatever ``TF_CPP_MIN_LOG_LEVEL`` says, so the
descriptor is read for the time of the import and everything else that was written there is passed on.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_start"]

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_NOISE = re.compile(
    rb"[IWE]\d{4,} |\d{4}-\d\d-\d\d [\d:.]+: [IWE] |WARNING: All log messages before absl"
    rb"|To enable the following instructions"
)


@contextmanager
def quiet_start() -> Iterator[None]:
    """Drop TensorFlow's own lines from standard error, unless the process has chosen a log level itself."""
    if _LEVEL in os.environ or sys.stderr is None:  # None: a process without standard error
        yield
        return
    os.environ[_LEVEL] = "3"
    sys.stderr.flush()
    keep = os.dup(2)
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(keep, 2)
            os.close(keep)
            heard.seek(0)
            for line in heard:
                if not _NOISE.match(line):
                    os.write(2, line)
