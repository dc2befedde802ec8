"""Every enum of sheaf.access.v1, by its name."""

from .access_pb2 import *
