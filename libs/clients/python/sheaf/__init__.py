"""Sheaf in Python: `connect()` to a cluster, and `datums()` for commands that take datum after datum.

`datums` needs nothing but Python; the client, which is loaded when it is first asked for, needs gRPC.
"""

from .batching import Datum, datums

__all__ = ["Cancel", "Client", "Datum", "FieldViolation", "SheafError", "connect", "datums", "read_spec"]

_OF_THE_CLIENT = {
    "Cancel": "calls",
    "Client": "client",
    "FieldViolation": "errors",
    "SheafError": "errors",
    "connect": "client",
    "read_spec": "spec",
}


def __getattr__(name):
    module = _OF_THE_CLIENT.get(name)
    if module is None:
        raise AttributeError("module 'sheaf' has no attribute '%s'" % name)
    from importlib import import_module

    return getattr(import_module("." + module, __name__), name)
