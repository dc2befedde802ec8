from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class Caller(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALLER_UNSPECIFIED: _ClassVar[Caller]
    CALLER_VIEWER: _ClassVar[Caller]
    CALLER_EDITOR: _ClassVar[Caller]
    CALLER_ADMIN: _ClassVar[Caller]
    CALLER_WORKER: _ClassVar[Caller]
CALLER_UNSPECIFIED: Caller
CALLER_VIEWER: Caller
CALLER_EDITOR: Caller
CALLER_ADMIN: Caller
CALLER_WORKER: Caller
CALLER_FIELD_NUMBER: _ClassVar[int]
caller: _descriptor.FieldDescriptor
