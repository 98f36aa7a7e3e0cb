//! Evidence exports that their signer has signed, but that no honest one would have made.

use serde_json::{Value, json};

use crate::case::{Case, case, check};
use crate::good::jcs;
use crate::good::keys::{self, SELECTION, signer};
use crate::good::selection::{body, counts, filters, statement};
use crate::selections::{FILE, SIGNATURE, good, sign};

const CASES: &[Case] = &[
    case("the signer's counts are others than the file's", 2, &["METADATA_MISMATCH"], |e| {
        let body = body(&filters());
        let text = e.file(FILE).clone();
        let mut signed: Value = serde_json::from_slice(&statement(&body, &text)).unwrap();
        assert_eq!(signed["counts"], counts(&body));
        signed["counts"]["events"] = json!(11);
        e.set(SIGNATURE, keys::sign(&signer(), SELECTION, &jcs(&signed)));
    }),
    case("the signer wrote its statement in another form", 2, &["INVALID_CANONICAL_FORM"], |e| {
        let signed: Value = serde_json::from_slice(&keys::payload(e.file(SIGNATURE))).unwrap();
        let pretty = serde_json::to_vec_pretty(&signed).unwrap();
        e.set(SIGNATURE, keys::sign(&signer(), SELECTION, &pretty));
    }),
    case("the signer let a record out", 2, &["SEQUENCE_GAP"], |e| {
        sign(e, body(&filters()), |lines| _ = lines.remove(4));
    }),
    case("the signer let the first records out", 2, &["INVALID_GENESIS"], |e| {
        sign(e, body(&filters()), |lines| _ = lines.drain(1..3));
    }),
    case("the signer's positions fall", 2, &["SEQUENCE_ORDER"], |e| {
        sign(e, body(&filters()), |lines| lines[2]["position"] = json!(30));
    }),
    case("the signer wrote events behind the end that it names", 2, &["METADATA_MISMATCH"], |e| {
        sign(e, body(&filters()), |lines| lines[0]["position"] = json!(10));
    }),
    case("the signer mixed two authors in a session", 2, &["MIXED_AUTHORITY"], |e| {
        sign(e, body(&filters()), |lines| lines[9]["record"]["chain_authority"] = json!("sdk"));
    }),
];

#[test]
fn every_contradiction_that_was_signed_is_found() {
    check(&good(), CASES);
}
