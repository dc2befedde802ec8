"""Cases come as lines of JSON on standard input, answers go as lines of JSON to standard output; see ../README.md."""

import hashlib
import json
import sys
import threading

import sheaf
from google.protobuf import json_format
from sheaf.api import v1

clients, running, lock = {}, {}, threading.Lock()


def say(number, **words):
    with lock:
        print(json.dumps({"id": number, **words}), flush=True)


def client_of(address):
    with lock:
        if address not in clients:
            clients[address] = sheaf.connect(address)
        return clients[address]


def call(client, step, cancel):
    service, method = step["method"].split(".")
    request = json_format.ParseDict(step.get("request", {}), getattr(v1, method + "Request")())
    answer = getattr(getattr(client.rpc, service), method)(request, cancel=cancel)
    return json_format.MessageToDict(answer, preserving_proto_field_name=True)


def watch(client, step, cancel, tell):
    options = {"first_job_seconds": 30, "unreachable_seconds": step.get("unreachable", 60), "cancel": cancel}
    for job in client.watch_job(step["pipeline"], step.get("job", ""), **options):
        tell(v1.JobState.Name(job.state))
    return counts(job)


def follow(client, step, cancel, tell):
    lines = [tell(line.text.decode()) for line in client.follow_logs(step["pipeline"], step["job"], cancel=cancel)]
    return len(lines)


def counts(job):
    return {"state": v1.JobState.Name(job.state), "total": job.data_total, "done": job.data_processed, "failed": job.data_failed}


def read(client, step, cancel):
    pieces = list(client.read_file(step["repo"], step["ref"], step["path"], cancel=cancel))
    return {"bytes": sum(map(len, pieces)), "sha256": hashlib.sha256(b"".join(pieces)).hexdigest()}


def put(client, step, cancel, tell):
    options = {"under": step.get("under", "/"), "request_id": step.get("request_id", ""), "cancel": cancel}
    if "named" in step:
        return {"files": client.put_files(step["repo"], step["branch"], step["named"].items(), **options).files}
    if step.get("progress"):
        options["on_progress"] = lambda progress: tell("sending")
    done = client.put_folder(step["repo"], step.get("branch", ""), step["folder"], **options)
    return {"files": done.files, "bytes": done.bytes, "links": done.skipped_links, "commit": done.commit.id, "in_commit": done.commit.files}


def get(client, step, cancel):
    if "file" in step:
        done = client.get_file(step["repo"], step["ref"], step["path"], step["file"], cancel=cancel)
        return {"files": done.files, "bytes": done.bytes}
    done = client.get_folder(step["repo"], step["ref"], step["folder"], path=step.get("path", "/"), cancel=cancel)
    return {"files": done.files, "bytes": done.bytes}


def wait(client, step, cancel):
    return counts(client.wait_job(step["pipeline"], timeout=step["timeout"], first_job_seconds=30, cancel=cancel))


def close(client):
    client.close()
    client.close()
    return True


DO = {
    "close": lambda client, step, cancel, tell: close(client),
    "call": lambda client, step, cancel, tell: call(client, step, cancel),
    "submit": lambda client, step, cancel, tell: client.submit(sheaf.read_spec(step["file"])).name,
    "run": lambda client, step, cancel, tell: client.run(step["pipeline"], step.get("request_id", "")).id,
    "put": lambda client, step, cancel, tell: put(client, step, cancel, tell),
    "get": lambda client, step, cancel, tell: get(client, step, cancel),
    "read": lambda client, step, cancel, tell: read(client, step, cancel),
    "watch": watch,
    "wait": lambda client, step, cancel, tell: wait(client, step, cancel),
    "follow": follow,
    "datums": lambda client, step, cancel, tell: [
        [each.index, v1.DatumState.Name(each.state), *each.inputs] for each in client.datums(step["pipeline"])
    ],
    "logs": lambda client, step, cancel, tell: [[each.datum, each.text.decode()] for each in client.logs(step["pipeline"])],
}


def run(step):
    number, cancel = step["id"], sheaf.Cancel()
    running[number] = cancel
    try:
        client = client_of(step["address"])
        say(number, ok=DO[step["op"]](client, step, cancel, lambda event: say(number, event=event)))
    except sheaf.SheafError as error:
        fields = [each.field for each in error.details]
        say(number, error={"code": error.code, "reason": error.reason, "fields": fields, "message": error.message})


for line in sys.stdin:
    asked = json.loads(line)
    if asked["op"] == "cancel":
        running[asked["target"]].cancel()
    else:
        threading.Thread(target=run, args=(asked,), daemon=True).start()
