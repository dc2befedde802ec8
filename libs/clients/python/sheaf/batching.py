"""Datum batching for Sheaf: one process that takes datum after datum. Needs Python 3.6 and nothing else.

    import sheaf
    for datum in sheaf.datums():
        data = open(datum.input, "rb").read()
        open(datum.out + "/size", "w").write(str(len(data)))

Leaving the body of the loop normally is success; `datum.fail(message)` is failure. An exception ends the program, which
costs the datum one try, and Sheaf starts the program again.
"""

import os
import re
import sys

__all__ = ["Datum", "datums"]

_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)='([^']*(?:'\\''[^']*)*)'\n")


class Datum:
    """One datum. `env`: its variables; `input`: the file or folder of its first input; `out`: where its output goes."""

    def __init__(self, number, env):
        self.number = number
        self.env = env
        self.id = env.get("SHEAF_DATUM_ID", "")
        self.input = env.get("SHEAF_INPUT", "")
        self.out = env.get("SHEAF_OUT", "")
        self._answer = "ok %s\n" % number

    def fail(self, message, code=1):
        """The datum has failed. `code`: 1 to 255, as an exit code: one in accept_return_code is a success."""
        if not 1 <= code <= 255:
            raise ValueError("code is %r: use 1 to 255" % (code,))
        self._answer = "fail %s %d %s\n" % (self.number, code, " ".join(str(message).split()))


def datums():
    """The datums, one after another, as long as there are any."""
    with open(os.environ["SHEAF_DATUMS"], encoding="utf-8", errors="surrogateescape") as lines, open(
        os.environ["SHEAF_RESULTS"], "wb", buffering=0
    ) as results:
        for line in iter(lines.readline, ""):
            number, _, file = line.rstrip("\n").partition(" ")
            datum = Datum(number, _variables(file))
            yield datum
            # What was printed belongs to this datum only if it is out before the answer.
            sys.stdout.flush()
            sys.stderr.flush()
            results.write(datum._answer.encode("utf-8", "surrogateescape"))


def _variables(file):
    with open(file, "rb") as source:
        text = source.read().decode("utf-8", "surrogateescape")
    return {name: value.replace("'\\''", "'") for name, value in _VARIABLE.findall(text)}
