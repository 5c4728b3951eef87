"""Verifies a signed ticket code with a foreign COSE/CWT library.

Usage: verify_code.py CODE JWKS. Prints the claims as JSON; exits 1 when the code is not good.
"""

import base64
import json
import sys
import uuid

import cwt

code, jwks = sys.argv[1], json.loads(sys.argv[2])
assert code.startswith("SM1"), "a signed code begins with SM1"
body = code[3:]
token = base64.b32decode(body + "=" * (-len(body) % 8))
keys = [cwt.COSEKey.from_jwk(key) for key in jwks["keys"]]
claims = cwt.decode(token, keys)
print(
    json.dumps(
        {
            "iss": claims[1],
            "iat": claims[6],
            "ticket": str(uuid.UUID(bytes=claims[7])),
            "product": claims[-65537],
            "persons": claims[-65538],
            "epoch": claims[-65539],
            "visit_date": claims.get(-65540),
            "slot_start": claims.get(-65541),
        }
    )
)
