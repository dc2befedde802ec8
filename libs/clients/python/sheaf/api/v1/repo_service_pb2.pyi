import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sheaf.access.v1 import access_pb2 as _access_pb2
from sheaf.api.v1 import paging_pb2 as _paging_pb2
from sheaf.api.v1 import repo_pb2 as _repo_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateRepoRequest(_message.Message):
    __slots__ = ("name", "description", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateRepoResponse(_message.Message):
    __slots__ = ("repo",)
    REPO_FIELD_NUMBER: _ClassVar[int]
    repo: _repo_pb2.Repo
    def __init__(self, repo: _Optional[_Union[_repo_pb2.Repo, _Mapping]] = ...) -> None: ...

class InspectRepoRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class InspectRepoResponse(_message.Message):
    __slots__ = ("repo",)
    REPO_FIELD_NUMBER: _ClassVar[int]
    repo: _repo_pb2.Repo
    def __init__(self, repo: _Optional[_Union[_repo_pb2.Repo, _Mapping]] = ...) -> None: ...

class ListReposRequest(_message.Message):
    __slots__ = ("page", "name_prefix")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    NAME_PREFIX_FIELD_NUMBER: _ClassVar[int]
    page: _paging_pb2.Page
    name_prefix: str
    def __init__(self, page: _Optional[_Union[_paging_pb2.Page, _Mapping]] = ..., name_prefix: _Optional[str] = ...) -> None: ...

class ListReposResponse(_message.Message):
    __slots__ = ("repos", "next_page_token")
    REPOS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    repos: _containers.RepeatedCompositeFieldContainer[_repo_pb2.Repo]
    next_page_token: str
    def __init__(self, repos: _Optional[_Iterable[_Union[_repo_pb2.Repo, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteRepoRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteRepoResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PutBranchRequest(_message.Message):
    __slots__ = ("repo", "branch", "commit", "etag", "request_id")
    REPO_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    repo: str
    branch: str
    commit: str
    etag: str
    request_id: str
    def __init__(self, repo: _Optional[str] = ..., branch: _Optional[str] = ..., commit: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class PutBranchResponse(_message.Message):
    __slots__ = ("branch",)
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    branch: _repo_pb2.Branch
    def __init__(self, branch: _Optional[_Union[_repo_pb2.Branch, _Mapping]] = ...) -> None: ...

class InspectCommitRequest(_message.Message):
    __slots__ = ("commit",)
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    commit: _repo_pb2.CommitRef
    def __init__(self, commit: _Optional[_Union[_repo_pb2.CommitRef, _Mapping]] = ...) -> None: ...

class InspectCommitResponse(_message.Message):
    __slots__ = ("commit",)
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    commit: _repo_pb2.Commit
    def __init__(self, commit: _Optional[_Union[_repo_pb2.Commit, _Mapping]] = ...) -> None: ...

class ListCommitsRequest(_message.Message):
    __slots__ = ("repo", "page", "branch", "created_since", "created_before")
    REPO_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    CREATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    repo: str
    page: _paging_pb2.Page
    branch: str
    created_since: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    def __init__(self, repo: _Optional[str] = ..., page: _Optional[_Union[_paging_pb2.Page, _Mapping]] = ..., branch: _Optional[str] = ..., created_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListCommitsResponse(_message.Message):
    __slots__ = ("commits", "next_page_token")
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    commits: _containers.RepeatedCompositeFieldContainer[_repo_pb2.Commit]
    next_page_token: str
    def __init__(self, commits: _Optional[_Iterable[_Union[_repo_pb2.Commit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchCommitsRequest(_message.Message):
    __slots__ = ("repo", "branch", "resume")
    REPO_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    repo: str
    branch: str
    resume: str
    def __init__(self, repo: _Optional[str] = ..., branch: _Optional[str] = ..., resume: _Optional[str] = ...) -> None: ...

class WatchCommitsResponse(_message.Message):
    __slots__ = ("commit", "resume", "gap")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    commit: _repo_pb2.Commit
    resume: str
    gap: bool
    def __init__(self, commit: _Optional[_Union[_repo_pb2.Commit, _Mapping]] = ..., resume: _Optional[str] = ..., gap: _Optional[bool] = ...) -> None: ...
