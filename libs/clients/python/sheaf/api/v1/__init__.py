"""Every message and enum of sheaf.api.v1, by its name."""

from .cluster_service_pb2 import *
from .datum_pb2 import *
from .datum_service_pb2 import *
from .file_service_pb2 import *
from .job_pb2 import *
from .job_service_pb2 import *
from .paging_pb2 import *
from .pipeline_pb2 import *
from .pipeline_service_pb2 import *
from .repo_pb2 import *
from .repo_service_pb2 import *
