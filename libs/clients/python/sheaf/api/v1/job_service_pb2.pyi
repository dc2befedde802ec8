import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sheaf.access.v1 import access_pb2 as _access_pb2
from sheaf.api.v1 import job_pb2 as _job_pb2
from sheaf.api.v1 import paging_pb2 as _paging_pb2
from sheaf.api.v1 import pipeline_pb2 as _pipeline_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InspectJobRequest(_message.Message):
    __slots__ = ("pipeline", "job")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    job: str
    def __init__(self, pipeline: _Optional[str] = ..., job: _Optional[str] = ...) -> None: ...

class InspectJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("pipeline", "page", "states", "created_since", "created_before", "pipeline_prefix")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    CREATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_PREFIX_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    page: _paging_pb2.Page
    states: _containers.RepeatedScalarFieldContainer[_pipeline_pb2.JobState]
    created_since: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    pipeline_prefix: str
    def __init__(self, pipeline: _Optional[str] = ..., page: _Optional[_Union[_paging_pb2.Page, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_pipeline_pb2.JobState, str]]] = ..., created_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pipeline_prefix: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("pipeline", "job", "resume")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    job: str
    resume: str
    def __init__(self, pipeline: _Optional[str] = ..., job: _Optional[str] = ..., resume: _Optional[str] = ...) -> None: ...

class WatchJobResponse(_message.Message):
    __slots__ = ("job", "resume")
    JOB_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    resume: str
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., resume: _Optional[str] = ...) -> None: ...

class StopJobRequest(_message.Message):
    __slots__ = ("pipeline", "job")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    job: str
    def __init__(self, pipeline: _Optional[str] = ..., job: _Optional[str] = ...) -> None: ...

class StopJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...
