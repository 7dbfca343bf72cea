"""Submits the sample job as a program would, through REST, and prints the job's id.

Usage: submit.py URL FOLDER GPUS
FOLDER holds job.json and the code, GPUS is how many the host is known to have (0: nobody knows), and the password of admin is in
DEEPLAB_FIRST_PASSWORD.
"""

import gzip
import io
import json
import os
import sys
import tarfile
import time
import urllib.error
import urllib.request

SECONDS = 30


def main() -> None:
    url, folder, known = sys.argv[1], sys.argv[2], int(sys.argv[3])
    token = signed_in(url)
    gpus = gpus_to_ask_for(url, token, known)
    code = post(url + "/api/v1/code", packed(folder), "application/gzip", token)["digest"]
    print(post_json(url + "/api/v1/jobs", job(folder, code, gpus), token)["id"])


def told(work) -> int:
    """The exit code of a program; what went wrong is on stderr, in a line."""
    try:
        work()
        return 0
    except urllib.error.HTTPError as error:
        print(f"{error.url} answered {error.code}: {error.read(2000).decode(errors='replace')}", file=sys.stderr)
    except TimeoutError as error:
        print(error, file=sys.stderr)
    except (urllib.error.URLError, OSError, KeyError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return 1


def signed_in(url: str) -> str:
    """A token of admin."""
    return post_json(url + "/api/v1/session", {"userName": "admin", "password": os.environ["DEEPLAB_FIRST_PASSWORD"]})["token"]


def gpus_to_ask_for(url: str, token: str, known: int) -> int:
    """1 where the host has a GPU. A console that has just started learns of hosts first and of their GPUs a little later."""
    if not listed(url + "/api/v1/hosts", token, 60, lambda host: host["state"] == "Ready"):
        raise TimeoutError("No host became ready within 60 s.")
    if listed(url + "/api/v1/gpus", token, 90 if known else 10, lambda gpu: True):
        return 1
    if known:
        raise TimeoutError("The console did not see the host's GPUs within 90 s.")
    return 0


def listed(url: str, token: str, seconds: float, wanted) -> bool:
    end = time.monotonic() + seconds
    while not any(wanted(item) for item in send(urllib.request.Request(url), token)["items"]):
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def job(folder: str, code: str, gpus: int) -> dict:
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
        spec = json.load(file)
    spec["code"] = code
    for role in spec["roles"]:
        role.setdefault("resources", {})["gpus"] = gpus
    return spec


def packed(folder: str) -> bytes:
    """The folder as a tar.gz whose bytes depend on its content alone, so that the same code keeps its digest."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name in sorted(os.listdir(folder)):
            if name.endswith(".py") and not name.startswith("test_"):
                tar.add(os.path.join(folder, name), arcname=name, filter=anonymous)
    return out.getvalue()


def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    # Jobs run as 1000, and an engine keeps the owners that the archive names.
    entry.uid = entry.gid = 1000
    entry.uname = entry.gname = ""
    entry.mtime = 0
    entry.mode = 0o644
    return entry


def post_json(url: str, body: dict, token: str | None = None) -> dict:
    return post(url, json.dumps(body).encode(), "application/json", token)


def post(url: str, body: bytes, content_type: str, token: str | None) -> dict:
    return send(urllib.request.Request(url, body, {"Content-Type": content_type}), token)


def send(request: urllib.request.Request, token: str | None) -> dict:
    request.add_header("Accept", "application/json")
    if token:
        request.add_header("Authorization", "Bearer " + token)
    # The console is on this machine: a proxy of the environment is not the way to it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=SECONDS) as answer:
        text = answer.read()
        return json.loads(text) if text else {}


if __name__ == "__main__":
    sys.exit(told(main))
