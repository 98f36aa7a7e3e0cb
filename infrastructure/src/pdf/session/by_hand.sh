# 1. Take the files out (any PDF reader shows them as attachments, too).
pdfdetach -saveall session.pdf
json=$(ls session_*.json)

# 2. This must be the SHA-256 that the cover names.
sha256sum "$json"

# 3. Take the signed statement and its signature out of the seal.
payload=$(sed 's/.*"payload":"\([^"]*\)".*/\1/' seal.dsse.json)
type=$(sed 's/.*"payloadType":"\([^"]*\)".*/\1/' seal.dsse.json)
keyid=$(sed 's/.*"keyid":"\([^"]*\)".*/\1/' seal.dsse.json)
sig=$(sed 's/.*"sig":"\([^"]*\)".*/\1/' seal.dsse.json)
printf '%s' "$payload" | base64 -d > statement.json
printf '%s' "$sig" | base64 -d > sig.bin

# 4. The key with that id. Better: from a jwks.json that you have from elsewhere.
x=$(tr '{' '\n' < jwks.json | grep -F "\"kid\":\"$keyid\"" | sed 's/.*"x":"\([^"]*\)".*/\1/')
{ echo '-----BEGIN PUBLIC KEY-----'
  echo "MCowBQYDK2VwAyEA$(printf '%s' "$x" | tr '_-' '/+')="
  echo '-----END PUBLIC KEY-----'; } > key.pem

# 5. What is signed is DSSE's encoding of type and statement.
{ printf 'DSSEv1 %d %s ' "${#type}" "$type"
  printf '%d ' "$(wc -c < statement.json)"
  cat statement.json; } > pae.bin
openssl pkeyutl -verify -pubin -inkey key.pem -rawin \
  -in pae.bin -sigfile sig.bin

# 6. The statement names the last record's hash. This must print a number from 1 up.
head=$(sed 's/.*"seal_event_hash":"\([0-9a-f]*\)".*/\1/' statement.json)
grep -o "\"event_hash\":\"$head\"" "$json" | wc -l

# 7. That record's payload: both lines must show the same hash.
seal=$(sed 's/.*"seal":\({[^}]*}\).*/\1/' statement.json)
printf '%s' "$seal" | sha256sum
grep -o '"payload_hash":"[0-9a-f]*"' "$json" | tail -n 1
