import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sheaf.access.v1 import access_pb2 as _access_pb2
from sheaf.api.v1 import datum_pb2 as _datum_pb2
from sheaf.api.v1 import paging_pb2 as _paging_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListDatumsRequest(_message.Message):
    __slots__ = ("pipeline", "job", "page", "states")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    job: str
    page: _paging_pb2.Page
    states: _containers.RepeatedScalarFieldContainer[_datum_pb2.DatumState]
    def __init__(self, pipeline: _Optional[str] = ..., job: _Optional[str] = ..., page: _Optional[_Union[_paging_pb2.Page, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_datum_pb2.DatumState, str]]] = ...) -> None: ...

class ListDatumsResponse(_message.Message):
    __slots__ = ("datums", "next_page_token")
    DATUMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    datums: _containers.RepeatedCompositeFieldContainer[_datum_pb2.Datum]
    next_page_token: str
    def __init__(self, datums: _Optional[_Iterable[_Union[_datum_pb2.Datum, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class InspectDatumRequest(_message.Message):
    __slots__ = ("pipeline", "job", "datum")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    DATUM_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    job: str
    datum: str
    def __init__(self, pipeline: _Optional[str] = ..., job: _Optional[str] = ..., datum: _Optional[str] = ...) -> None: ...

class InspectDatumResponse(_message.Message):
    __slots__ = ("datum",)
    DATUM_FIELD_NUMBER: _ClassVar[int]
    datum: _datum_pb2.Datum
    def __init__(self, datum: _Optional[_Union[_datum_pb2.Datum, _Mapping]] = ...) -> None: ...

class RestartDatumRequest(_message.Message):
    __slots__ = ("pipeline", "job", "datums")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    DATUMS_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    job: str
    datums: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, pipeline: _Optional[str] = ..., job: _Optional[str] = ..., datums: _Optional[_Iterable[str]] = ...) -> None: ...

class RestartDatumResponse(_message.Message):
    __slots__ = ("datums",)
    DATUMS_FIELD_NUMBER: _ClassVar[int]
    datums: _containers.RepeatedCompositeFieldContainer[_datum_pb2.Datum]
    def __init__(self, datums: _Optional[_Iterable[_Union[_datum_pb2.Datum, _Mapping]]] = ...) -> None: ...

class GetLogsRequest(_message.Message):
    __slots__ = ("pipeline", "job", "datum", "tail", "worker", "since", "stream", "attempt", "follow", "resume")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    DATUM_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    job: str
    datum: str
    tail: int
    worker: str
    since: _timestamp_pb2.Timestamp
    stream: _datum_pb2.LogStream
    attempt: int
    follow: bool
    resume: str
    def __init__(self, pipeline: _Optional[str] = ..., job: _Optional[str] = ..., datum: _Optional[str] = ..., tail: _Optional[int] = ..., worker: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stream: _Optional[_Union[_datum_pb2.LogStream, str]] = ..., attempt: _Optional[int] = ..., follow: _Optional[bool] = ..., resume: _Optional[str] = ...) -> None: ...

class GetLogsResponse(_message.Message):
    __slots__ = ("lines", "resume")
    LINES_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[JobLogLine]
    resume: str
    def __init__(self, lines: _Optional[_Iterable[_Union[JobLogLine, _Mapping]]] = ..., resume: _Optional[str] = ...) -> None: ...

class JobLogLine(_message.Message):
    __slots__ = ("time", "datum", "attempt", "stream", "worker", "text")
    TIME_FIELD_NUMBER: _ClassVar[int]
    DATUM_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    datum: int
    attempt: int
    stream: _datum_pb2.LogStream
    worker: str
    text: bytes
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., datum: _Optional[int] = ..., attempt: _Optional[int] = ..., stream: _Optional[_Union[_datum_pb2.LogStream, str]] = ..., worker: _Optional[str] = ..., text: _Optional[bytes] = ...) -> None: ...
