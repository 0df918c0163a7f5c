"""What schemathesis has to leave alone, so that it can go on asking."""

import os
import re
import uuid

import schemathesis

# The id of the key that it asks with: revoked or rotated, it would get nothing but 401.
OWN_KEY = os.environ.get("STATEKEEP_OWN_KEY", "")
MD5 = re.compile(r"[A-Za-z0-9+/]{22}==")


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.path_parameters and case.path_parameters.get("id") == OWN_KEY:
        case.path_parameters["id"] = str(uuid.uuid4())
    # The checksum of another body is refused before anything else is looked at. It makes them up.
    is_positive = case.meta is None or case.meta.generation.mode.is_positive
    for name in list(case.headers or {}):
        if name.lower() == "content-md5" and (is_positive or MD5.fullmatch(str(case.headers[name]))):
            del case.headers[name]
