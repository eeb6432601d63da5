"""Checks signed webhooks with nothing but the standard library, as a receiver would.

Reads {"secrets": [...], "deliveries": [{"headers": {...}, "body": "<base64>"}]} from stdin and prints, for
each delivery, which secrets its signatures fit, how many signatures it has, and its body as JSON.
"""

import base64
import hashlib
import hmac
import json
import sys
import time

TOLERANCE_SECONDS = 300


def fits(secret, headers, body):
    kind, _, value = secret.partition("_")
    assert kind == "whsec", secret
    stamp = headers["webhook-timestamp"]
    assert abs(time.time() - int(stamp)) < TOLERANCE_SECONDS, stamp
    signed = f"{headers['webhook-id']}.{stamp}.".encode() + body
    wanted = base64.b64encode(hmac.new(base64.b64decode(value), signed, hashlib.sha256).digest()).decode()
    given = [part.partition(",") for part in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(text, wanted) for version, _, text in given)


def main():
    order = json.load(sys.stdin)
    found = []
    for delivery in order["deliveries"]:
        headers, body = delivery["headers"], base64.b64decode(delivery["body"])
        found.append(
            {
                "fits": [fits(secret, headers, body) for secret in order["secrets"]],
                "signatures": len(headers["webhook-signature"].split(" ")),
                "id": headers["webhook-id"],
                "body": json.loads(body),
            }
        )
    json.dump(found, sys.stdout)


main()
