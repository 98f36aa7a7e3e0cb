//! The evidence export and its detached signature.

use serde_json::{Value, json};

use crate::case::{Case, Evidence, case, check};
use crate::good::keys::{self, SELECTION, WINDOW, signer, stranger};
use crate::good::selection::{body, file, filters, signature, window_body};
use crate::good::session::hash;
use crate::good::{jcs, sha256};

pub const FILE: &str = "export.ndjson";
pub const SIGNATURE: &str = "export.ndjson.dsse.json";

pub fn evidence(body: &[Value]) -> Evidence {
    let text = file(body);
    let signature = signature(body, &text);
    Evidence::new(&[FILE], [(FILE.to_owned(), text), (SIGNATURE.to_owned(), signature)])
}

/// Everything that two sessions hold.
pub fn good() -> Evidence {
    evidence(&body(&filters()))
}

/// Writes other lines with a footer that fits them, as somebody would who knows the format.
fn rewrite(evidence: &mut Evidence, change: impl FnOnce(&mut Vec<Value>)) {
    let mut body = body(&filters());
    change(&mut body);
    evidence.set(FILE, file(&body));
}

/// Lines that the signer itself has written and signed, but that no honest one would.
pub fn sign(evidence: &mut Evidence, mut body: Vec<Value>, change: impl FnOnce(&mut Vec<Value>)) {
    change(&mut body);
    let text = file(&body);
    evidence.set(SIGNATURE, signature(&body, &text));
    evidence.set(FILE, text);
}

fn footer(evidence: &mut Evidence, change: impl FnOnce(&mut Value)) {
    evidence.lines(FILE, |lines| {
        let mut footer = serde_json::from_slice(&lines.pop().unwrap()).unwrap();
        change(&mut footer);
        lines.push([jcs(&footer), b"\n".to_vec()].concat());
    });
}

const CASES: &[Case] = &[
    case(
        "the footer was cut off at its line end",
        2,
        &["MISSING_FIELD", "FILE_HASH_MISMATCH"],
        |e| {
            e.lines(FILE, |lines| _ = lines.pop());
        },
    ),
    case(
        "the last three lines were cut off",
        2,
        &["MISSING_FIELD", "FILE_HASH_MISMATCH", "METADATA_MISMATCH"],
        |e| {
            e.lines(FILE, |lines| lines.truncate(lines.len() - 3));
        },
    ),
    case(
        "it breaks off within a line",
        5,
        &["INVALID_CANONICAL_FORM", "MISSING_FIELD", "FILE_HASH_MISMATCH", "METADATA_MISMATCH"],
        |e| {
            let text = e.file(FILE);
            text.truncate(text.len() / 2);
        },
    ),
    case(
        "an event was taken out",
        2,
        &["FILE_HASH_MISMATCH", "METADATA_MISMATCH", "SEQUENCE_GAP"],
        |e| {
            e.lines(FILE, |lines| _ = lines.remove(4));
        },
    ),
    case(
        "an event was taken out, and the footer written anew",
        2,
        &["FILE_HASH_MISMATCH", "METADATA_MISMATCH", "SEQUENCE_GAP"],
        |e| {
            rewrite(e, |lines| _ = lines.remove(4));
        },
    ),
    case(
        "the last events were taken out, footer and signature with them",
        1,
        &["SIGNER_NOT_ESTABLISHED"],
        |e| {
            rewrite(e, |lines| _ = lines.drain(9..11));
            e.remove(SIGNATURE);
        },
    ),
    case("the signature was taken away", 1, &["SIGNER_NOT_ESTABLISHED"], |e| {
        _ = e.remove(SIGNATURE);
    }),
    case(
        "a filter was narrowed, so that records lie outside",
        2,
        &["METADATA_MISMATCH", "FILE_HASH_MISMATCH"],
        |e| {
            rewrite(e, |lines| lines[0]["filters"]["actor"] = json!("ada"));
        },
    ),
    case(
        "it is said to be for another purpose",
        2,
        &["METADATA_MISMATCH", "FILE_HASH_MISMATCH"],
        |e| {
            rewrite(e, |lines| lines[0]["purpose"] = json!("publication"));
        },
    ),
    case("only the header was changed", 2, &["METADATA_MISMATCH", "FILE_HASH_MISMATCH"], |e| {
        e.replace(FILE, "\"purpose\":\"audit\"", "\"purpose\":\"fraud\"");
    }),
    case(
        "the footer counts another number of events",
        2,
        &["METADATA_MISMATCH", "FILE_HASH_MISMATCH"],
        |e| {
            footer(e, |footer| footer["counts"]["events"] = json!(9));
        },
    ),
    case(
        "the footer counts another number of lines",
        2,
        &["METADATA_MISMATCH", "FILE_HASH_MISMATCH"],
        |e| {
            footer(e, |footer| footer["lines"] = json!(9));
        },
    ),
    case("the footer has another hash", 2, &["FILE_HASH_MISMATCH"], |e| {
        footer(e, |footer| footer["sha256"] = json!(sha256(b"")));
    }),
    case("the footer has no counts", 2, &["MISSING_FIELD", "FILE_HASH_MISMATCH"], |e| {
        footer(e, |footer| _ = footer.as_object_mut().unwrap().remove("counts"));
    }),
    case(
        "a payload was changed",
        2,
        &["PAYLOAD_HASH_MISMATCH", "EVENT_HASH_MISMATCH", "CHAIN_BROKEN", "FILE_HASH_MISMATCH"],
        |e| {
            rewrite(e, |lines| lines[3]["record"]["payload"]["args"]["order"] = json!(4712));
        },
    ),
    case(
        "a payload was changed with its hashes",
        2,
        &["CHAIN_BROKEN", "FILE_HASH_MISMATCH"],
        |e| {
            rewrite(e, |lines| {
                lines[3]["record"]["payload"]["args"]["order"] = json!(4712);
                hash(&mut lines[3]["record"]);
            });
        },
    ),
    case("somebody else is named as the actor", 2, &["FILE_HASH_MISMATCH"], |e| {
        rewrite(e, |lines| lines[3]["record"]["actor_id"] = json!("eve"));
    }),
    case("it is no longer said that the tool was refused", 2, &["FILE_HASH_MISMATCH"], |e| {
        rewrite(e, |lines| lines[3]["tool_access"]["allowed"] = json!(true));
    }),
    case(
        "two events were swapped",
        2,
        &["SEQUENCE_ORDER", "SEQUENCE_GAP", "FILE_HASH_MISMATCH"],
        |e| {
            rewrite(e, |lines| lines.swap(3, 5));
        },
    ),
    case(
        "an event stands twice",
        2,
        &["SEQUENCE_DUPLICATE", "FILE_HASH_MISMATCH", "METADATA_MISMATCH"],
        |e| {
            rewrite(e, |lines| {
                let copy = lines[3].clone();
                lines.insert(4, copy);
            });
        },
    ),
    case("a violation was taken out", 2, &["FILE_HASH_MISMATCH", "METADATA_MISMATCH"], |e| {
        rewrite(e, |lines| lines.retain(|line| line["kind"] != "violation"));
    }),
    case(
        "the chain of custody was taken out",
        2,
        &["FILE_HASH_MISMATCH", "METADATA_MISMATCH"],
        |e| {
            rewrite(e, |lines| lines.retain(|line| line["kind"] != "custody"));
        },
    ),
    case(
        "a line was moved between those of another kind",
        2,
        &["SEQUENCE_ORDER", "FILE_HASH_MISMATCH"],
        |e| {
            rewrite(e, |lines| {
                let custody = lines.pop().unwrap();
                lines.insert(5, custody);
            });
        },
    ),
    case(
        "a line was written with spaces",
        2,
        &["INVALID_CANONICAL_FORM", "FILE_HASH_MISMATCH"],
        |e| {
            e.replace(FILE, "\"kind\":\"violation\"", "\"kind\": \"violation\"");
        },
    ),
    case(
        "a system has changed the line ends",
        2,
        &["INVALID_CANONICAL_FORM", "FILE_HASH_MISMATCH"],
        |e| {
            let text = String::from_utf8(e.file(FILE).clone()).unwrap().replace('\n', "\r\n");
            e.set(FILE, text);
        },
    ),
    case(
        "the last line feed was taken off",
        2,
        &["INVALID_CANONICAL_FORM", "FILE_HASH_MISMATCH"],
        |e| {
            _ = e.file(FILE).pop();
        },
    ),
    case("an empty line was added", 5, &["INVALID_CANONICAL_FORM", "FILE_HASH_MISMATCH"], |e| {
        e.file(FILE).push(b'\n');
    }),
    case(
        "the footer was copied behind itself",
        2,
        &["SEQUENCE_ORDER", "FILE_HASH_MISMATCH"],
        |e| {
            e.lines(FILE, |lines| lines.push(lines[lines.len() - 1].clone()));
        },
    ),
    case(
        "the header was taken off",
        2,
        &["MISSING_FIELD", "FILE_HASH_MISMATCH", "METADATA_MISMATCH"],
        |e| {
            e.lines(FILE, |lines| _ = lines.remove(0));
        },
    ),
    case(
        "a second header names other filters",
        2,
        &["SEQUENCE_ORDER", "FILE_HASH_MISMATCH", "METADATA_MISMATCH"],
        |e| {
            e.lines(FILE, |lines| {
                let copy = String::from_utf8(lines[0].clone()).unwrap();
                lines.insert(1, copy.replace("audit", "other").into());
            });
        },
    ),
    case(
        "the schema is one of the future",
        5,
        &["SCHEMA_VERSION_MISMATCH", "FILE_HASH_MISMATCH", "METADATA_MISMATCH"],
        |e| {
            e.replace(FILE, "exhibit-ndjson/1", "exhibit-ndjson/9");
        },
    ),
    case("the key was retired before the export", 3, &["KEY_OUTSIDE_VALIDITY"], |e| {
        e.set("jwks.json", keys::jwks(&signer(), (WINDOW.0, WINDOW.0 + 1)));
    }),
    case("a stranger signed", 3, &["SIGNATURE_INVALID"], |e| {
        let signed = keys::payload(e.file(SIGNATURE));
        e.set(SIGNATURE, keys::sign(&stranger(), SELECTION, &signed));
    }),
    case(
        "a stranger signed in the signer's name what he had changed",
        3,
        &["SIGNATURE_INVALID"],
        |e| {
            sign(e, body(&filters()), |lines| lines[0]["purpose"] = json!("publication"));
            let signed = keys::payload(e.file(SIGNATURE));
            e.set(SIGNATURE, keys::sign_as(&stranger(), &keys::kid(&signer()), SELECTION, &signed));
        },
    ),
    case(
        "the signature of another export lies beside it",
        2,
        &["FILE_HASH_MISMATCH", "METADATA_MISMATCH"],
        |e| {
            let other = window_body();
            e.set(SIGNATURE, signature(&other, &file(&other)));
        },
    ),
    case("the signature is one of a bundle", 3, &["SIGNATURE_INVALID"], |e| {
        let signed = keys::payload(e.file(SIGNATURE));
        e.set(SIGNATURE, keys::sign(&signer(), keys::BUNDLE, &signed));
    }),
];

#[test]
fn every_change_to_an_evidence_export_is_found() {
    check(&good(), CASES);
}
