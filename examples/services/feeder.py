"""Feeds a repo from a log that grows: every line goes up exactly once, also when this program is killed at any moment.

    python3 feeder.py LOG REPO STATE

Lines are taken in batches. What is about to be sent is written to the file STATE first: where the batch begins and ends in LOG. A program
that starts again sends that very batch, under the same request id, and the cluster answers with the commit that it has made already, or
makes it now. Ids are kept for 24 h; a batch is one file whose name is its place in LOG, so that even later no line would be there twice.
"""

import json
import os
import sys
import time

import sheaf
from sheaf.api import v1

BATCH_BYTES_MAX = 1 << 20
IDLE_SECONDS = 0.2


def read_state(path):
    try:
        with open(path) as source:
            return json.load(source)
    except FileNotFoundError:
        return {"begin": 0, "end": 0}


def write_state(path, state):
    """Whole or not at all, and on the disk."""
    with open(path + ".new", "w") as target:
        json.dump(state, target)
        target.flush()
        os.fsync(target.fileno())
    os.replace(path + ".new", path)
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def read_lines(log, begin, limit):
    """Whole lines from `begin` on; one that is still being written is left for later."""
    with open(log, "rb") as source:
        source.seek(begin)
        text = source.read(limit)
    return text[: text.rfind(b"\n") + 1]


def feed(client, log, repo, state_path):
    state = read_state(state_path)
    while True:
        begin, end = state["begin"], state["end"]
        if begin == end:  # nothing is on its way: what comes next is decided, and written down
            batch = read_lines(log, begin, BATCH_BYTES_MAX)
            if not batch:
                time.sleep(IDLE_SECONDS)
                continue
            state = {"begin": begin, "end": begin + len(batch)}
            write_state(state_path, state)
            continue
        batch = read_lines(log, begin, end - begin)
        client.put_files(repo, "master", [(f"{begin:020}", batch)], request_id=f"feeder-{repo}-{begin}")
        print(f"bytes {begin} to {end} are in {repo}", flush=True)
        state = {"begin": end, "end": end}
        write_state(state_path, state)


def main():
    log, repo, state_path = sys.argv[1:]
    client = sheaf.connect()
    try:
        client.rpc.repo.CreateRepo(v1.CreateRepoRequest(name=repo))
    except sheaf.SheafError as error:
        if error.code != "ALREADY_EXISTS":
            raise
    while True:
        try:
            feed(client, log, repo, state_path)
        except sheaf.SheafError as error:
            if error.code not in ("UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"):
                raise
            print(f"tries again: {error}", file=sys.stderr, flush=True)
            time.sleep(1)


if __name__ == "__main__":
    main()
