"""Enters an image in the console's catalogue, or gives its entry the new reference.

Usage: enter.py URL NAME REFERENCE LABELS
LABELS are the image's, as JSON: deeplab.framework, .version, .features and .description become the entry. The password of admin is in
DEEPLAB_FIRST_PASSWORD.
"""

import json
import sys
import urllib.error
import urllib.request

from submit import post_json, send, signed_in, told


def main() -> None:
    url, name, reference, labels = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    token = signed_in(url)
    there = found(f"{url}/api/v1/images/{name}", token)
    if there is None:
        post_json(url + "/api/v1/images", entry(name, reference, labels), token)
    elif there["reference"] != reference:
        put_json(f"{url}/api/v1/images/{name}", entry(name, reference, labels), token)


def entry(name: str, reference: str, labels: dict) -> dict:
    return {
        "name": name,
        "reference": reference,
        "framework": labels["deeplab.framework"],
        "frameworkVersion": labels.get("deeplab.version", ""),
        "features": [feature for feature in labels.get("deeplab.features", "").split(",") if feature],
        "description": labels.get("deeplab.description", ""),
    }


def found(url: str, token: str) -> dict | None:
    try:
        return send(urllib.request.Request(url), token)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def put_json(url: str, body: dict, token: str) -> None:
    send(urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="PUT"), token)


if __name__ == "__main__":
    sys.exit(told(main))
