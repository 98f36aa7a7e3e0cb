#!/bin/sh
# Checks a bundle or an evidence pack (a folder) or an evidence export (FILE.ndjson, with FILE.ndjson.dsse.json beside it)
# without any software of ours: sha256sum, base64, openssl, and python3 to read JSON.
#
#     check-files.sh FOLDER_OR_FILE JWKS
#
# JWKS: public keys that did not come with the files. The last line says VERIFIED, or why not; exit code 0 or 1.
set -eu
files=$1 jwks=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed() { echo "FAILED $files: $1" >&2; exit 1; }
json() { python3 -c "import json, sys; d = json.load(open(sys.argv[1])); print($1)" "$2"; }

if [ -d "$files" ]; then
    # Each file that the manifest names is what it names, and there is no other.
    json '"\n".join(f["sha256"] + "  " + name for name, f in d["files"].items())' "$files/manifest.json" > "$work/sums"
    (cd "$files" && sha256sum --check --quiet "$work/sums") || failed 'a file is not the one that manifest.json names'
    { json '"\n".join(d["files"])' "$files/manifest.json"; printf 'manifest.json\nbundle.sig\n'; } | LC_ALL=C sort > "$work/named"
    ls -A "$files" | LC_ALL=C sort > "$work/there"
    cmp -s "$work/named" "$work/there" || failed 'there are other files than manifest.json names'
    envelope=$files/bundle.sig signs=manifest_sha256 sum=$(sha256sum < "$files/manifest.json" | cut -d' ' -f1)
else
    envelope=$files.dsse.json signs=sha256 sum=$(sha256sum < "$files" | cut -d' ' -f1)
fi

# The signature: DSSE's encoding of type and payload, by the key that the envelope names.
json 'd["payload"]' "$envelope" | base64 -d > "$work/payload"
json 'd["signatures"][0]["sig"]' "$envelope" | base64 -d > "$work/sig"
type=$(json 'd["payloadType"]' "$envelope")
keyid=$(json 'd["signatures"][0]["keyid"]' "$envelope")
x=$(KEYID=$keyid json '"".join(k["x"] for k in d["keys"] if k["kid"] == __import__("os").environ["KEYID"])' "$jwks" | tr '_-' '/+')
[ -n "$x" ] || failed "the key $keyid is not in $jwks"
printf -- '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA%s=\n-----END PUBLIC KEY-----\n' "$x" > "$work/key.pem"
{ printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(wc -c < "$work/payload")"; cat "$work/payload"; } > "$work/pae"
openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$work/pae" -sigfile "$work/sig" > "$work/said" 2>&1 ||
    failed 'the signature does not verify'

[ "$(json "d[\"$signs\"]" "$work/payload")" = "$sum" ] || failed 'the signature is over something else'
echo "VERIFIED $files, SHA-256 $sum, key $keyid"
