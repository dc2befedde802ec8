import sheaf
from sheaf.api import v1

with sheaf.connect() as client:  # SHEAF_ADDRESS; SHEAF_TOKEN and SHEAF_CA if need be
    client.rpc.repo.CreateRepo(v1.CreateRepoRequest(name="logs"))
    client.put_folder("logs", "master", "./logs")
    client.submit(sheaf.read_spec("pipeline.yaml"))
    job = client.wait_job("status-codes", timeout=600, first_job_seconds=30)
    print(v1.JobState.Name(job.state), [datum.inputs[0] for datum in client.datums("status-codes")])
    client.get_folder("status-codes", "master", "./out")
