import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Repo(_message.Message):
    __slots__ = ("name", "description", "created", "pipeline", "branches")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    BRANCHES_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    created: _timestamp_pb2.Timestamp
    pipeline: str
    branches: _containers.RepeatedCompositeFieldContainer[Branch]
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pipeline: _Optional[str] = ..., branches: _Optional[_Iterable[_Union[Branch, _Mapping]]] = ...) -> None: ...

class Branch(_message.Message):
    __slots__ = ("repo", "name", "head", "etag")
    REPO_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    repo: str
    name: str
    head: str
    etag: str
    def __init__(self, repo: _Optional[str] = ..., name: _Optional[str] = ..., head: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class Commit(_message.Message):
    __slots__ = ("repo", "id", "branch", "parent", "description", "files", "bytes", "root_hash", "created", "job", "datums_missing")
    REPO_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ROOT_HASH_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    DATUMS_MISSING_FIELD_NUMBER: _ClassVar[int]
    repo: str
    id: str
    branch: str
    parent: str
    description: str
    files: int
    bytes: int
    root_hash: str
    created: _timestamp_pb2.Timestamp
    job: str
    datums_missing: int
    def __init__(self, repo: _Optional[str] = ..., id: _Optional[str] = ..., branch: _Optional[str] = ..., parent: _Optional[str] = ..., description: _Optional[str] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., root_hash: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., job: _Optional[str] = ..., datums_missing: _Optional[int] = ...) -> None: ...

class CommitRef(_message.Message):
    __slots__ = ("repo", "ref")
    REPO_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    repo: str
    ref: str
    def __init__(self, repo: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...
