"""Checks one sealed session, offline. Needs Python 3.9 or later and OpenSSL 3.
usage: verify.py session.jsonl seal.dsse.json jwks.json   or   verify.py export.json jwks.json"""
import base64, decimal, hashlib, json, math, pathlib, re, subprocess, sys, tempfile

def check(holds, reason):
    if not holds: raise ValueError(reason)
def expect(where, found, **ours):  # each value named must be the one computed here
    for name in ours: check(jcs(found[name]) == jcs(ours[name]), f"{where}: {name} does not match")
def parse(text):
    once = lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs) else check(False, "duplicate key in a JSON object")
    return json.loads(text, object_pairs_hook=once)
def number(value):  # laid out as ECMAScript does; repr() has the same digits
    x, plain = float(value) or 0.0, value == 0 or 1e-6 <= abs(value) < 1e21  # "or": -0 is written 0
    text = format(decimal.Decimal(repr(x)), "f").removesuffix(".0") if plain else re.sub(r"e([+-])0*", r"e\1", repr(x))
    check(math.isfinite(x) and (type(value) is float or text == str(value)), "a number that a double cannot carry")
    return text
def jcs(value):  # RFC 8785; json.dumps escapes strings just as it asks
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(jcs(k) + ":" + jcs(value[k]) for k in keys) + "}"
    if isinstance(value, list): return "[" + ",".join(map(jcs, value)) + "]"
    return number(value) if type(value) in (int, float) else json.dumps(value, ensure_ascii=False)
def sha256(data): return hashlib.sha256(data if isinstance(data, bytes) else jcs(data).encode("utf-8"))
def merkle(leaves):  # RFC 6962, section 2.1; split at the largest power of two below their number
    if len(leaves) == 1: return sha256(b"\0" + leaves[0]).digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1" + merkle(leaves[:split]) + merkle(leaves[split:])).digest()

def verify(first, second, third=None):  # the contents of the files
    if third: records, envelope, jwks = [parse(line) for line in first.split("\n") if line.strip()], parse(second), parse(third)
    else: records, envelope, jwks = parse(first)["events"], parse(first)["seal"]["envelope"], parse(second)
    check(len(records) > 1 and envelope, "no events, or no seal envelope")
    seven = "event_id session_id sequence_number timestamp_wall event_type payload_hash prev_event_hash".split()
    same, previous = {name: records[0][name] for name in ("session_id", "chain_authority")}, None
    for i, r in enumerate(records):
        expect(f"event {i}", r, sequence_number=i, **same, payload_hash=sha256(r["payload"]).hexdigest(), prev_event_hash=previous)
        previous = sha256({name: r[name] for name in seven}).hexdigest()
        expect(f"event {i}", r, event_hash=previous)
        check((r["event_type"] == "CHAIN_SEAL") == (i == len(records) - 1), f"event {i}: the last event alone must be the seal")
    *before, seal = records
    root = merkle([jcs({k: r[k] for k in r if k not in ("payload", "signature")}).encode("utf-8") for r in before])
    expect("seal", seal["payload"], event_count=len(before), final_event_hash=seal["prev_event_hash"], session_digest="sha256:" + root.hex())
    kind, payload = "application/vnd.exhibit.seal+json", base64.b64decode(envelope["payload"], validate=True)
    expect("envelope", envelope, payloadType=kind)
    expect("envelope", parse(payload.decode("utf-8")), **same, seal_event_hash=previous, seal=seal["payload"])
    pairs = ((key, s["sig"]) for s in envelope["signatures"] for key in jwks["keys"] if key["kid"] == s["keyid"])
    key, sig = next(pairs, None) or check(False, "envelope: its keyid is not in the jwks file")
    thumbprint = sha256({"crv": "Ed25519", "kty": "OKP", "x": key["x"]}).digest()  # RFC 7638
    expect("jwks", key, kid=base64.urlsafe_b64encode(thumbprint).decode().rstrip("="))
    der = bytes.fromhex("302a300506032b6570032100") + base64.urlsafe_b64decode(key["x"] + "=")
    pem = b"-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n" % base64.b64encode(der)
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    with tempfile.TemporaryDirectory() as d:
        for name, data in ("pem", pem), ("pae", pae), ("sig", base64.b64decode(sig, validate=True)): pathlib.Path(d, name).write_bytes(data)
        run = subprocess.run("openssl pkeyutl -verify -rawin -pubin -inkey pem -in pae -sigfile sig".split(), cwd=d, capture_output=True)
    check(run.returncode == 0, "envelope: the signature does not verify")
    return f"VERIFIED {len(records)} events, final hash {previous}, session {seal['session_id']}, key {key['kid']}"
if __name__ == "__main__":
    try: print(verify(*[pathlib.Path(name).read_bytes().decode("utf-8") for name in sys.argv[1:]]))
    except Exception as error: sys.exit(f"FAILED {error}" if isinstance(error, ValueError) else f"FAILED {error!r}")
