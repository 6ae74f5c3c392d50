"""What schemathesis is told beyond its configuration: how to sign in, and that a key is for one request."""

import os
import random
import uuid

import requests
import schemathesis


if "ORACLE_EMAIL" in os.environ:

    @schemathesis.auth(refresh_interval=120)
    class Session:
        """A session of its own; where a request has ended it (401), schemathesis asks for the next."""

        def get(self, case, ctx):
            answer = requests.post(
                os.environ["ORACLE_ORIGIN"] + "/api/v1/auth/login",
                json={
                    "email": os.environ["ORACLE_EMAIL"],
                    "password": os.environ["ORACLE_PASSWORD"],
                    "organization": os.environ["ORACLE_ORGANIZATION"],
                },
                timeout=30,
            )
            if answer.status_code != 200:
                raise RuntimeError(f"signing in answered {answer.status_code}: {answer.text}")
            return answer.json()["accessToken"]

        def set(self, case, data, ctx):
            case.headers = case.headers or {}
            case.headers["Authorization"] = "Bearer " + data


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """One key for every request would make all but the first a repeat; one in eight may be that."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 200 and all("!" <= c <= "~" for c in key) and random.random() > 0.125:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
