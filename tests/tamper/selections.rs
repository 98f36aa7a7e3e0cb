//! The evidence export and its detached signature.

use serde_json::{Value, json};

use crate::case::{Case, Evidence, case, check};
use crate::good::keys::{self, SELECTION, WINDOW, signer, stranger};
use crate::good::selection::{
    body, counts, file, filters, policy_body, signature, statement, window_body,
};
use crate::good::session::hash;
use crate::good::{jcs, sha256};

const FILE: &str = "export.ndjson";
const SIGNATURE: &str = "export.ndjson.dsse.json";

fn evidence(body: &[Value]) -> Evidence {
    let text = file(body);
    let signature = signature(body, &text);
    Evidence::new(&[FILE], [(FILE.to_owned(), text), (SIGNATURE.to_owned(), signature)])
}

/// Everything that two sessions hold.
fn good() -> Evidence {
    evidence(&body(&filters()))
}

/// Writes other lines with a footer that fits them, as somebody would who knows the format.
fn rewrite(evidence: &mut Evidence, change: impl FnOnce(&mut Vec<Value>)) {
    let mut body = body(&filters());
    change(&mut body);
    evidence.set(FILE, file(&body));
}

/// Lines that the signer itself has written and signed, but that no honest one would.
fn sign(evidence: &mut Evidence, mut body: Vec<Value>, change: impl FnOnce(&mut Vec<Value>)) {
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
        _ = e.remove(SIGNATURE)
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
fn every_change_to_an_evidence_export_is_found() {
    check(&good(), CASES);
}

const OF_A_WINDOW: &[Case] = &[
    case("the window was widened", 2, &["METADATA_MISMATCH", "FILE_HASH_MISMATCH"], |e| {
        let mut body = window_body();
        body[0]["filters"]["since"] = json!("2026-03-01T08:00:00Z");
        e.set(FILE, file(&body));
    }),
    case("a record of later was put in, and all signed", 2, &["METADATA_MISMATCH"], |e| {
        let late = body(&filters()).into_iter().find(|l| l["record"]["sequence_number"] == 4);
        sign(e, window_body(), |lines| lines.insert(7, late.unwrap()));
    }),
    // Unsigned, a window without its last records looks like a shorter window.
    case(
        "the last records were cut with footer and signature",
        1,
        &["SIGNER_NOT_ESTABLISHED"],
        |e| {
            let mut body = window_body();
            body.drain(5..7);
            e.set(FILE, file(&body));
            e.remove(SIGNATURE);
        },
    ),
    case("nothing was selected at all", 1, &[], |e| {
        sign(e, window_body(), |lines| _ = lines.drain(1..9));
    }),
];

#[test]
fn every_change_to_a_window_is_found() {
    check(&evidence(&window_body()), OF_A_WINDOW);
}

const OF_A_POLICY: &[Case] = &[
    case("the signer let a violation out", 2, &["METADATA_MISMATCH"], |e| {
        sign(e, policy_body(), |lines| _ = lines.remove(3));
    }),
    case("the signer put in an event that broke nothing", 2, &["METADATA_MISMATCH"], |e| {
        let clean = body(&filters()).remove(9);
        sign(e, policy_body(), |lines| lines.insert(3, clean));
    }),
    case("the signer put in a violation of another policy", 2, &["METADATA_MISMATCH"], |e| {
        sign(e, policy_body(), |lines| {
            let mut other = lines[3].clone();
            other["violation"]["policy"] = json!("hours");
            lines.insert(4, other);
        });
    }),
];

#[test]
fn every_change_to_what_broke_a_policy_is_found() {
    check(&evidence(&policy_body()), OF_A_POLICY);
}
