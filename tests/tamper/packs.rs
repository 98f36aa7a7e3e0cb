//! Evidence packs: a session in several formats, in a folder or a zip.

use serde_json::{Value, json};

use crate::case::{Case, Evidence, case, check};
use crate::good::bundle::{about_pack, evidence_pack, pack_files, signed};
use crate::good::keys::{self, SEAL, stranger};
use crate::good::session::{
    OTHER, SESSION, envelope, export, jsonl, open_session, sealed_session, statement,
};
use crate::good::{Files, jcs};
use crate::zips::deflated;

const JSON: &str = "pack/session_0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b90.json";
const LINES: &str = "pack/session_0190c1d2-7a10-7c3e-8b1a-5d2f6e7a8b90.jsonl";

fn good() -> Evidence {
    let files = evidence_pack().into_iter();
    Evidence::new(&["pack"], files.map(|(name, bytes)| (format!("pack/{name}"), bytes)))
}

/// A pack that its maker has signed, but that no honest one would have made.
fn sign(evidence: &mut Evidence, about: Value, change: impl FnOnce(&mut Files)) {
    let mut files = pack_files();
    change(&mut files);
    evidence.files.retain(|name, _| !name.starts_with("pack/"));
    let files = signed(about, files).into_iter();
    evidence.files.extend(files.map(|(name, bytes)| (format!("pack/{name}"), bytes)));
}

fn of_session(records: &[Value]) -> Files {
    [
        (format!("session_{SESSION}.json"), jcs(&export(records))),
        (format!("session_{SESSION}.jsonl"), jsonl(records)),
        ("seal.dsse.json".to_owned(), envelope(records)),
    ]
    .into()
}

const CASES: &[Case] = &[
    case("the evidence inside was changed", 4, &["FILE_HASH_MISMATCH"], |e| {
        e.replace(JSON, "4711", "4712");
    }),
    case("the lines were taken from another session", 4, &["FILE_HASH_MISMATCH"], |e| {
        e.set(LINES, jsonl(&sealed_session(OTHER)));
    }),
    case("a format is missing", 4, &["MISSING_FILE"], |e| _ = e.remove(LINES)),
    case("the keys inside were replaced", 4, &["FILE_HASH_MISMATCH"], |e| {
        e.set("pack/jwks.json", keys::jwks(&stranger(), keys::WINDOW));
    }),
    case(
        "the seal inside was replaced",
        4,
        &["FILE_HASH_MISMATCH", "SIGNER_NOT_ESTABLISHED"],
        |e| {
            e.set("pack/seal.dsse.json", envelope(&sealed_session(OTHER)));
        },
    ),
    case("it is said to be for another party", 2, &["MANIFEST_HASH_MISMATCH"], |e| {
        e.edit("pack/manifest.json", |m| m["audience"] = json!("REGULATOR"));
    }),
    case(
        "it is said to be of another session",
        2,
        &["MANIFEST_HASH_MISMATCH", "SESSION_MISMATCH"],
        |e| {
            e.edit("pack/manifest.json", |m| m["session_id"] = json!(OTHER));
        },
    ),
    case("there is no signature", 1, &["SIGNER_NOT_ESTABLISHED"], |e| {
        _ = e.remove("pack/bundle.sig");
    }),
    case("its maker packed another session", 2, &["SESSION_MISMATCH"], |e| {
        sign(e, about_pack(), |files| {
            let records = sealed_session(OTHER);
            files.insert("seal.dsse.json".to_owned(), envelope(&records));
            files.insert(format!("session_{SESSION}.json"), jcs(&export(&records)));
            files.insert(format!("session_{SESSION}.jsonl"), jsonl(&records));
        });
    }),
    case(
        "its maker packed changed evidence",
        2,
        &["PAYLOAD_HASH_MISMATCH", "EVENT_HASH_MISMATCH", "CHAIN_BROKEN"],
        |e| {
            let mut records = sealed_session(SESSION);
            records[1]["payload"]["args"]["order"] = json!(4712);
            sign(e, about_pack(), |files| files.extend(of_session(&records)));
        },
    ),
    case("its maker packed what a stranger has sealed", 3, &["SIGNATURE_INVALID"], |e| {
        let records = sealed_session(SESSION);
        let signature = keys::sign(&stranger(), SEAL, &statement(&records));
        let mut export = export(&records);
        export["seal"]["envelope"] = serde_json::from_slice(&signature).unwrap();
        sign(e, about_pack(), |files| {
            files.insert("seal.dsse.json".to_owned(), signature);
            files.insert(format!("session_{SESSION}.json"), jcs(&export));
        });
    }),
    case("its maker packed an open session", 1, &["UNSEALED_SESSION"], |e| {
        let mut about = about_pack();
        about["counts"]["events"] = json!(5);
        sign(e, about, |files| {
            files.remove("seal.dsse.json");
            files.remove(&format!("session_{SESSION}.json"));
            files.insert(format!("session_{SESSION}.jsonl"), jsonl(&open_session(SESSION)));
        });
    }),
    case("its maker counted other events", 2, &["METADATA_MISMATCH"], |e| {
        let mut about = about_pack();
        about["counts"]["events"] = json!(7);
        sign(e, about, |_| ());
    }),
    case("its maker names nobody whom it is for", 2, &["MISSING_FIELD"], |e| {
        let mut about = about_pack();
        about["audience"] = json!("EVERYONE");
        sign(e, about, |_| ());
    }),
    case(
        "the evidence in it cannot be read",
        5,
        &["INVALID_CANONICAL_FORM", "METADATA_MISMATCH"],
        |e| {
            sign(e, about_pack(), |files| {
                files.insert(format!("session_{SESSION}.json"), b"{\"schema\"".to_vec());
            });
        },
    ),
];

#[test]
fn every_change_to_a_pack_is_found() {
    check(&good(), CASES);
}

const IN_A_ZIP: &[Case] = &[
    case("the evidence inside was changed", 4, &["FILE_HASH_MISMATCH"], |e| {
        let mut files = evidence_pack();
        let text = String::from_utf8(files[&JSON[5..]].clone()).unwrap();
        files.insert(JSON[5..].to_owned(), text.replace("4711", "4712").into());
        e.set("pack.zip", deflated(&files));
    }),
    case("there is no signature", 1, &["SIGNER_NOT_ESTABLISHED"], |e| {
        let mut files = evidence_pack();
        files.remove("bundle.sig");
        e.set("pack.zip", deflated(&files));
    }),
];

#[test]
fn every_change_to_a_pack_in_a_zip_is_found() {
    let zip = deflated(&evidence_pack());
    check(&Evidence::new(&["pack.zip"], [("pack.zip".to_owned(), zip)]), IN_A_ZIP);
}
