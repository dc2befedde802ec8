"""A service of one's own: texts come by HTTP, a job counts their words, and the service reacts to its end.

    POST /texts/NAME   puts the body as a text; answers {"job": ID} when its job is there
    GET  /jobs/ID      {"state": ..., "counts": {...}}; while the job runs without counts, when it failed with "message"

Needs SHEAF_ADDRESS, and the client of Sheaf for Python. The port is the first argument (default 8080).
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import sheaf
from sheaf.api import v1

PIPELINE = "word-counts"
REPO = "texts"

client = sheaf.connect()
results = {}  # what is known of each job, by id


def set_up():
    """What the service needs in the cluster; made once, however often it starts."""
    for make in (
        lambda: client.rpc.repo.CreateRepo(v1.CreateRepoRequest(name=REPO)),
        lambda: client.submit(sheaf.read_spec(Path(__file__).with_name("counter.yaml"))),
    ):
        try:
            make()
        except sheaf.SheafError as error:
            if error.code != "ALREADY_EXISTS":
                raise


def submit(name, text):
    """Puts the text. The commit makes a job: it is the one that has the commit among its inputs."""
    commit = client.put_files(REPO, "master", [(name, text)]).commit
    for _ in range(300):
        for job in client.jobs(pipeline=PIPELINE):
            if any(each.commit == commit.id for each in job.inputs):
                results[job.id] = {"state": "running"}
                threading.Thread(target=wait, args=(job.id,), daemon=True).start()
                return job.id
        time.sleep(0.1)
    raise sheaf.SheafError("DEADLINE_EXCEEDED", "NO_JOB", f"no job for commit {commit.id} after 30 s")


def wait(job_id):
    """Goes on through broken connections and masters that restart; ends with the job."""
    try:
        job = client.wait_job(PIPELINE, job_id)
        if job.state == v1.JOB_STATE_SUCCEEDED:
            lines = b"".join(client.read_file(PIPELINE, job.output_commit, "/counts")).decode().splitlines()
            counts = {word: int(count) for word, count in (line.split("\t") for line in lines)}
            results[job_id] = {"state": "succeeded", "counts": counts}
        else:
            results[job_id] = {"state": "failed", "message": job.message}
    except sheaf.SheafError as error:
        results[job_id] = {"state": "unknown", "message": error.message}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        _, kind, *names = self.path.split("/")
        if kind != "texts" or len(names) != 1:
            return self.answer(404, {"message": "POST /texts/NAME"})
        text = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            self.answer(202, {"job": submit(names[0], text)})
        except sheaf.SheafError as error:
            is_callers = error.code == "INVALID_ARGUMENT"
            self.answer(400 if is_callers else 503, {"message": error.message, "reason": error.reason})

    def do_GET(self):
        result = results.get(self.path.removeprefix("/jobs/"))
        self.answer(404 if result is None else 200, result or {"message": "GET /jobs/ID"})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        """Its callers know what they asked."""


if __name__ == "__main__":
    set_up()
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Handler)
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
