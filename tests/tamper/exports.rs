//! The JSON export of one session.

use serde_json::json;

use crate::case::{Case, Evidence, case, check};
use crate::good::jcs;
use crate::good::keys::{self, SEAL, stranger};
use crate::good::session::{SESSION, export, reseal, sealed_session, statement};

const EXPORT: &str = "session.json";

fn good() -> Evidence {
    let export = jcs(&export(&sealed_session(SESSION)));
    Evidence::new(&[EXPORT], [(EXPORT.to_owned(), export)])
}

const CASES: &[Case] = &[
    case("a violation was taken out of the list", 2, &["METADATA_MISMATCH"], |e| {
        e.edit(EXPORT, |x| x["counts"]["violations"] = json!(1));
    }),
    case("the list of violations was taken out", 2, &["METADATA_MISMATCH"], |e| {
        e.edit(EXPORT, |x| {
            x["counts"]["violations"] = json!(1);
            x.as_object_mut().unwrap().remove("violations");
        });
    }),
    case("the number of events was changed", 2, &["METADATA_MISMATCH"], |e| {
        e.edit(EXPORT, |x| x["counts"]["events"] = json!(7));
    }),
    case("the session is named as another", 2, &["METADATA_MISMATCH"], |e| {
        e.edit(EXPORT, |x| {
            x["session"]["session_id"] = json!("0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b99");
        });
    }),
    case("a lower class is claimed", 2, &["METADATA_MISMATCH"], |e| {
        e.edit(EXPORT, |x| x["evidence_class"] = json!("PARTIAL_AUTHORITATIVE_EVIDENCE"));
    }),
    case("another head is claimed", 2, &["METADATA_MISMATCH"], |e| {
        e.edit(EXPORT, |x| x["session"]["final_hash"] = json!("0".repeat(64)));
    }),
    case("the seal beside the records was changed", 2, &["METADATA_MISMATCH"], |e| {
        e.edit(EXPORT, |x| x["seal"]["seal"]["total_drops"] = json!(1));
    }),
    case("it is said to be not sealed", 2, &["METADATA_MISMATCH"], |e| {
        e.edit(EXPORT, |x| x["seal"]["present"] = json!(false));
    }),
    case(
        "a record was taken out",
        2,
        &[
            "SEQUENCE_GAP",
            "CHAIN_BROKEN",
            "SEAL_COUNT_MISMATCH",
            "SEAL_DIGEST_MISMATCH",
            "METADATA_MISMATCH",
        ],
        |e| {
            e.edit(EXPORT, |x| _ = x["events"].as_array_mut().unwrap().remove(3));
        },
    ),
    case(
        "all records were taken out",
        2,
        &["EMPTY_LOG", "INVALID_SEAL", "METADATA_MISMATCH"],
        |e| {
            e.edit(EXPORT, |x| x["events"] = json!([]));
        },
    ),
    case(
        "a number was changed by one half",
        2,
        &["PAYLOAD_HASH_MISMATCH", "EVENT_HASH_MISMATCH", "CHAIN_BROKEN"],
        |e| {
            e.replace(EXPORT, "31.5", "32");
        },
    ),
    case("it was made anew and signed by a stranger", 3, &["SIGNATURE_INVALID"], |e| {
        let mut records = sealed_session(SESSION);
        records[1]["payload"]["args"]["order"] = json!(4712);
        reseal(&mut records);
        let mut export = export(&records);
        let envelope = keys::sign(&stranger(), SEAL, &statement(&records));
        export["seal"]["envelope"] = serde_json::from_slice(&envelope).unwrap();
        e.set(EXPORT, jcs(&export));
    }),
    case("the signature is no signature", 2, &["INVALID_SEAL", "SIGNER_NOT_ESTABLISHED"], |e| {
        e.edit(EXPORT, |x| x["seal"]["envelope"] = json!({ "payload": 1 }));
    }),
    // Nothing is changed that anyone has signed: the verdict loses its signer, and says so.
    case("the signature was taken out", 0, &["SIGNER_NOT_ESTABLISHED"], |e| {
        e.edit(EXPORT, |x| x["seal"]["envelope"] = json!(null));
    }),
    case("the schema is one of the future", 5, &["SCHEMA_VERSION_MISMATCH"], |e| {
        e.edit(EXPORT, |x| x["schema"] = json!("exhibit-export/9"));
    }),
    case("the document breaks off", 5, &["INVALID_CANONICAL_FORM"], |e| {
        let text = e.file(EXPORT);
        text.truncate(text.len() - 2);
    }),
    case("a member stands twice", 2, &["INVALID_CANONICAL_FORM"], |e| {
        e.replace(EXPORT, "\"purpose\":\"audit\"", "\"purpose\":\"audit\",\"purpose\":\"theft\"");
    }),
];

#[test]
fn every_change_to_a_session_export_is_found() {
    check(&good(), CASES);
}
