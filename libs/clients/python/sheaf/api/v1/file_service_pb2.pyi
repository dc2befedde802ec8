import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sheaf.access.v1 import access_pb2 as _access_pb2
from sheaf.api.v1 import paging_pb2 as _paging_pb2
from sheaf.api.v1 import repo_pb2 as _repo_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FileKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILE_KIND_UNSPECIFIED: _ClassVar[FileKind]
    FILE_KIND_FILE: _ClassVar[FileKind]
    FILE_KIND_FOLDER: _ClassVar[FileKind]
FILE_KIND_UNSPECIFIED: FileKind
FILE_KIND_FILE: FileKind
FILE_KIND_FOLDER: FileKind

class File(_message.Message):
    __slots__ = ("path", "kind", "bytes", "files", "hash", "executable")
    PATH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    path: str
    kind: FileKind
    bytes: int
    files: int
    hash: str
    executable: bool
    def __init__(self, path: _Optional[str] = ..., kind: _Optional[_Union[FileKind, str]] = ..., bytes: _Optional[int] = ..., files: _Optional[int] = ..., hash: _Optional[str] = ..., executable: _Optional[bool] = ...) -> None: ...

class ModifyFilesRequest(_message.Message):
    __slots__ = ("open", "batch", "begin", "chunk", "end", "delete", "finish")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    open: ModifyFilesOpen
    batch: FileBatch
    begin: FileBegin
    chunk: bytes
    end: FileEnd
    delete: DeletePath
    finish: ModifyFilesFinish
    def __init__(self, open: _Optional[_Union[ModifyFilesOpen, _Mapping]] = ..., batch: _Optional[_Union[FileBatch, _Mapping]] = ..., begin: _Optional[_Union[FileBegin, _Mapping]] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[FileEnd, _Mapping]] = ..., delete: _Optional[_Union[DeletePath, _Mapping]] = ..., finish: _Optional[_Union[ModifyFilesFinish, _Mapping]] = ...) -> None: ...

class ModifyFilesFinish(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModifyFilesOpen(_message.Message):
    __slots__ = ("repo", "branch", "description", "request_id")
    REPO_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    repo: str
    branch: str
    description: str
    request_id: str
    def __init__(self, repo: _Optional[str] = ..., branch: _Optional[str] = ..., description: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class FileBatch(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[WholeFile]
    def __init__(self, files: _Optional[_Iterable[_Union[WholeFile, _Mapping]]] = ...) -> None: ...

class WholeFile(_message.Message):
    __slots__ = ("path", "content", "executable")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    path: str
    content: bytes
    executable: bool
    def __init__(self, path: _Optional[str] = ..., content: _Optional[bytes] = ..., executable: _Optional[bool] = ...) -> None: ...

class FileBegin(_message.Message):
    __slots__ = ("path", "executable")
    PATH_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    path: str
    executable: bool
    def __init__(self, path: _Optional[str] = ..., executable: _Optional[bool] = ...) -> None: ...

class FileEnd(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    def __init__(self, sha256: _Optional[bytes] = ...) -> None: ...

class DeletePath(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class ModifyFilesResponse(_message.Message):
    __slots__ = ("commit",)
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    commit: _repo_pb2.Commit
    def __init__(self, commit: _Optional[_Union[_repo_pb2.Commit, _Mapping]] = ...) -> None: ...

class GetFilesRequest(_message.Message):
    __slots__ = ("commit", "path", "glob")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    GLOB_FIELD_NUMBER: _ClassVar[int]
    commit: _repo_pb2.CommitRef
    path: str
    glob: str
    def __init__(self, commit: _Optional[_Union[_repo_pb2.CommitRef, _Mapping]] = ..., path: _Optional[str] = ..., glob: _Optional[str] = ...) -> None: ...

class GetFilesResponse(_message.Message):
    __slots__ = ("batch", "begin", "chunk", "end")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    batch: FileBatch
    begin: FileBegin
    chunk: bytes
    end: FileEnd
    def __init__(self, batch: _Optional[_Union[FileBatch, _Mapping]] = ..., begin: _Optional[_Union[FileBegin, _Mapping]] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[FileEnd, _Mapping]] = ...) -> None: ...

class ListFilesRequest(_message.Message):
    __slots__ = ("commit", "path", "page")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    commit: _repo_pb2.CommitRef
    path: str
    page: _paging_pb2.Page
    def __init__(self, commit: _Optional[_Union[_repo_pb2.CommitRef, _Mapping]] = ..., path: _Optional[str] = ..., page: _Optional[_Union[_paging_pb2.Page, _Mapping]] = ...) -> None: ...

class ListFilesResponse(_message.Message):
    __slots__ = ("files", "next_page_token")
    FILES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[File]
    next_page_token: str
    def __init__(self, files: _Optional[_Iterable[_Union[File, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GlobFilesRequest(_message.Message):
    __slots__ = ("commit", "glob", "page")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    GLOB_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    commit: _repo_pb2.CommitRef
    glob: str
    page: _paging_pb2.Page
    def __init__(self, commit: _Optional[_Union[_repo_pb2.CommitRef, _Mapping]] = ..., glob: _Optional[str] = ..., page: _Optional[_Union[_paging_pb2.Page, _Mapping]] = ...) -> None: ...

class GlobFilesResponse(_message.Message):
    __slots__ = ("files", "next_page_token")
    FILES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[File]
    next_page_token: str
    def __init__(self, files: _Optional[_Iterable[_Union[File, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class InspectFileRequest(_message.Message):
    __slots__ = ("commit", "path")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    commit: _repo_pb2.CommitRef
    path: str
    def __init__(self, commit: _Optional[_Union[_repo_pb2.CommitRef, _Mapping]] = ..., path: _Optional[str] = ...) -> None: ...

class InspectFileResponse(_message.Message):
    __slots__ = ("file",)
    FILE_FIELD_NUMBER: _ClassVar[int]
    file: File
    def __init__(self, file: _Optional[_Union[File, _Mapping]] = ...) -> None: ...

class GetFileUrlRequest(_message.Message):
    __slots__ = ("commit", "path", "expires_in")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_FIELD_NUMBER: _ClassVar[int]
    commit: _repo_pb2.CommitRef
    path: str
    expires_in: _duration_pb2.Duration
    def __init__(self, commit: _Optional[_Union[_repo_pb2.CommitRef, _Mapping]] = ..., path: _Optional[str] = ..., expires_in: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetFileUrlResponse(_message.Message):
    __slots__ = ("url", "expires", "file", "pieces")
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    url: str
    expires: _timestamp_pb2.Timestamp
    file: File
    pieces: _containers.RepeatedCompositeFieldContainer[FilePiece]
    def __init__(self, url: _Optional[str] = ..., expires: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., file: _Optional[_Union[File, _Mapping]] = ..., pieces: _Optional[_Iterable[_Union[FilePiece, _Mapping]]] = ...) -> None: ...

class FilePiece(_message.Message):
    __slots__ = ("url", "headers", "bytes", "sha256")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    URL_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    url: str
    headers: _containers.ScalarMap[str, str]
    bytes: int
    sha256: bytes
    def __init__(self, url: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...
