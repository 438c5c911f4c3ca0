"""Judges a mail on standard input by DKIM, SPF and DMARC with Debian's dkimpy, pyspf
and authheaders. The argument is a JSON object {records, ip, helo, sender}; records
holds TXT data by name, the only DNS there is. Prints {dkim: {algorithm: result}, spf,
dmarc: {spf, dkim}}, the latter by each proof alone."""
import json
import sys

import authheaders
import dkim
import spf
from authres import DKIMAuthenticationResult, SPFAuthenticationResult

asked = json.loads(sys.argv[1])
mail = sys.stdin.buffer.read()


def text_of(name, timeout=5):
    if isinstance(name, bytes):
        name = name.decode()
    return asked["records"].get(name.lower().rstrip("."))


def look_up(name, qtype, tcpfallback=True, timeout=30):
    value = text_of(name) if qtype == "TXT" else None
    return [((name, qtype), [value.encode()])] if value else []


def txt(name, timeout=5):
    value = text_of(name)
    return value.encode() if value else None


spf.DNSLookup = look_up

signatures = {}
signers = {}
count = sum(1 for name, _ in dkim.rfc822_parse(mail)[0] if name.lower() == b"dkim-signature")
for index in range(count):
    verifier = dkim.DKIM(mail)
    try:
        result = "pass" if verifier.verify(idx=index, dnsfunc=txt) else "fail"
    except dkim.DKIMException as problem:
        result = str(problem)
    algorithm = verifier.signature_fields[b"a"].decode()
    signatures[algorithm] = result
    signers[algorithm] = verifier.signature_fields[b"d"].decode()

sent, why = spf.check2(asked["ip"], asked["sender"], asked["helo"])
by_spf = SPFAuthenticationResult(result=sent, reason=why, smtp_mailfrom=asked["sender"], smtp_helo=asked["helo"])
by_dkim = [
    authheaders.check_dmarc(mail, None, DKIMAuthenticationResult(result=result, header_d=signers[a]), dnsfunc=text_of).result
    for a, result in signatures.items()
]
print(json.dumps({
    "dkim": signatures,
    "spf": sent,
    "dmarc": {
        "spf": authheaders.check_dmarc(mail, by_spf, None, dnsfunc=text_of).result,
        "dkim": "pass" if by_dkim and all(r == "pass" for r in by_dkim) else "fail",
    },
}))
