//! One session as lines, with its seal beside it.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::case::{Case, Evidence, case, check};
use crate::good::keys::{self, SEAL, WINDOW, signer, stranger};
use crate::good::session::{
    OTHER, SESSION, envelope, hash, jsonl, open_session, rehash, reseal, sealed_session, statement,
};

const LOG: &str = "session.jsonl";
const SIGNATURE: &str = "seal.json";

fn good() -> Evidence {
    let records = sealed_session(SESSION);
    let files = [(LOG.to_owned(), jsonl(&records)), (SIGNATURE.to_owned(), envelope(&records))];
    Evidence::new(&[LOG, SIGNATURE], files)
}

/// Changes the records, and nothing that follows from them.
fn records(evidence: &mut Evidence, change: impl FnOnce(&mut Vec<Value>)) {
    let mut records = sealed_session(SESSION);
    change(&mut records);
    evidence.set(LOG, jsonl(&records));
}

const CASES: &[Case] = &[
    case(
        "a payload was changed",
        2,
        &["PAYLOAD_HASH_MISMATCH", "EVENT_HASH_MISMATCH", "CHAIN_BROKEN"],
        |e| {
            records(e, |r| r[1]["payload"]["args"]["order"] = json!(4712));
        },
    ),
    case(
        "a payload and its hashes were changed",
        2,
        &["CHAIN_BROKEN", "SEAL_DIGEST_MISMATCH"],
        |e| {
            records(e, |r| {
                r[1]["payload"]["args"]["order"] = json!(4712);
                hash(&mut r[1]);
            });
        },
    ),
    case(
        "everything was hashed anew behind a change",
        2,
        &["SEAL_DIGEST_MISMATCH", "INVALID_SEAL"],
        |e| {
            records(e, |r| {
                r[1]["payload"]["args"]["order"] = json!(4712);
                rehash(r);
            });
        },
    ),
    case("everything was sealed anew behind a change", 2, &["INVALID_SEAL"], |e| {
        records(e, |r| {
            r[1]["payload"]["args"]["order"] = json!(4712);
            reseal(r);
        });
    }),
    case(
        "a record was taken out",
        2,
        &["SEQUENCE_GAP", "CHAIN_BROKEN", "SEAL_COUNT_MISMATCH", "SEAL_DIGEST_MISMATCH"],
        |e| {
            records(e, |r| _ = r.remove(2));
        },
    ),
    case(
        "the tail was cut, and the seal kept",
        2,
        &[
            "SEQUENCE_GAP",
            "CHAIN_BROKEN",
            "SEAL_COUNT_MISMATCH",
            "SEAL_DIGEST_MISMATCH",
            "MISSING_SESSION_END",
            "METADATA_MISMATCH",
        ],
        |e| {
            records(e, |r| _ = r.drain(3..5));
        },
    ),
    case(
        "the tail was cut with the seal",
        2,
        &["INVALID_SEAL", "UNSEALED_SESSION", "MISSING_SESSION_END"],
        |e| {
            records(e, |r| r.truncate(4));
        },
    ),
    case(
        "the tail was cut with the seal and its signature",
        1,
        &["UNSEALED_SESSION", "MISSING_SESSION_END"],
        |e| {
            records(e, |r| r.truncate(4));
            e.inputs.pop();
        },
    ),
    case("the seal was taken out with its signature", 1, &["UNSEALED_SESSION"], |e| {
        e.set(LOG, jsonl(&open_session(SESSION)));
        e.inputs.pop();
    }),
    case(
        "the prefix was stripped",
        2,
        &["INVALID_GENESIS", "SEAL_COUNT_MISMATCH", "SEAL_DIGEST_MISMATCH"],
        |e| {
            records(e, |r| _ = r.drain(..2));
        },
    ),
    case("the chain begins anew at its second record", 2, &["INVALID_SEAL"], |e| {
        records(e, |r| {
            r.remove(0);
            reseal(r);
        });
    }),
    case(
        "two records were swapped",
        2,
        &[
            "SEQUENCE_GAP",
            "SEQUENCE_ORDER",
            "CHAIN_BROKEN",
            "SEAL_DIGEST_MISMATCH",
            "TIMESTAMP_ANOMALY",
        ],
        |e| {
            records(e, |r| r.swap(2, 3));
        },
    ),
    case(
        "a record stands twice",
        2,
        &["SEQUENCE_DUPLICATE", "CHAIN_BROKEN", "SEAL_COUNT_MISMATCH", "SEAL_DIGEST_MISMATCH"],
        |e| {
            records(e, |r| {
                let copy = r[2].clone();
                r.insert(3, copy);
            });
        },
    ),
    case("somebody else is named as the actor", 2, &["SEAL_DIGEST_MISMATCH"], |e| {
        records(e, |r| r[1]["actor_id"] = json!("eve"));
    }),
    case("the time of receipt was changed", 2, &["SEAL_DIGEST_MISMATCH"], |e| {
        records(e, |r| r[1]["received_at"] = json!("2026-03-01T09:00:01.000001Z"));
    }),
    case("the seal's own record got another time of receipt", 2, &["METADATA_MISMATCH"], |e| {
        records(e, |r| r[5]["received_at"] = json!("2026-03-01T09:00:09.600000Z"));
    }),
    case("a record was written behind the seal", 2, &["SEAL_NOT_LAST"], |e| {
        records(e, |r| {
            let mut more = r[3].clone();
            more["timestamp_wall"] = r[5]["timestamp_wall"].clone();
            r.push(more);
            rehash(r);
        });
    }),
    case(
        "the seal's count was changed",
        2,
        &["SEAL_COUNT_MISMATCH", "PAYLOAD_HASH_MISMATCH", "EVENT_HASH_MISMATCH", "INVALID_SEAL"],
        |e| {
            records(e, |r| r[5]["payload"]["event_count"] = json!(4));
        },
    ),
    case(
        "another author is named in one record",
        2,
        &["MIXED_AUTHORITY", "SEAL_DIGEST_MISMATCH"],
        |e| {
            records(e, |r| r[2]["chain_authority"] = json!("sdk"));
        },
    ),
    case(
        "a hash is written in capitals",
        2,
        &["EVENT_HASH_MISMATCH", "SEAL_DIGEST_MISMATCH"],
        |e| {
            records(e, |r| {
                let hash = r[2]["event_hash"].as_str().unwrap().to_uppercase();
                r[2]["event_hash"] = json!(hash);
            });
        },
    ),
    case(
        "a value was redacted without a trace, and all hashed anew",
        2,
        &["REDACTION_INTEGRITY_VIOLATION", "INVALID_SEAL"],
        |e| {
            records(e, |r| {
                r[1]["payload"]["args"]["order"] = json!("[REDACTED]");
                reseal(r);
            });
        },
    ),
    case("a second value stands under one key", 2, &["INVALID_CANONICAL_FORM"], |e| {
        e.replace(LOG, "{\"order\":4711}", "{\"order\":4711,\"order\":4711}");
    }),
    case(
        "the log breaks off within a line",
        5,
        &["INVALID_CANONICAL_FORM", "INVALID_SEAL", "UNSEALED_SESSION", "MISSING_SESSION_END"],
        |e| {
            let text = e.file(LOG);
            text.truncate(text.len() * 2 / 3);
        },
    ),
    case("the log was emptied", 2, &["EMPTY_LOG", "INVALID_SEAL"], |e| e.file(LOG).clear()),
    case("only line feeds are left", 2, &["EMPTY_LOG", "INVALID_SEAL"], |e| e.set(LOG, "\n\n \n")),
    case("another key signed in the signer's name", 3, &["SIGNATURE_INVALID"], |e| {
        let statement = statement(&sealed_session(SESSION));
        let kid = keys::kid(&signer());
        e.set(SIGNATURE, keys::sign_as(&stranger(), &kid, SEAL, &statement));
    }),
    case("a stranger signed", 3, &["SIGNATURE_INVALID"], |e| {
        let statement = statement(&sealed_session(SESSION));
        e.set(SIGNATURE, keys::sign(&stranger(), SEAL, &statement));
    }),
    case("the key was retired before the seal", 3, &["KEY_OUTSIDE_VALIDITY"], |e| {
        e.set("jwks.json", keys::jwks(&signer(), (WINDOW.0, WINDOW.0 + 1)));
    }),
    case("the key is younger than the seal", 3, &["KEY_OUTSIDE_VALIDITY"], |e| {
        e.set("jwks.json", keys::jwks(&signer(), (WINDOW.1 - 1, WINDOW.1)));
    }),
    case("the seal of another session lies beside it", 2, &["INVALID_SEAL"], |e| {
        e.set(SIGNATURE, envelope(&sealed_session(OTHER)));
    }),
    case("the signature is over something else than a seal", 2, &["INVALID_SEAL"], |e| {
        e.set(SIGNATURE, keys::sign(&signer(), keys::BUNDLE, &statement(&sealed_session(SESSION))));
    }),
    case(
        "the log comes as a gzip of many zeros",
        5,
        &["INVALID_CANONICAL_FORM", "INVALID_SEAL"],
        |e| {
            let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
            bomb.write_all(&[0; 4096]).unwrap();
            e.set(LOG, bomb);
        },
    ),
    case(
        "one character of the text was replaced by another that looks alike",
        2,
        &["PAYLOAD_HASH_MISMATCH", "EVENT_HASH_MISMATCH", "CHAIN_BROKEN"],
        |e| {
            e.replace(LOG, "€ – ok", "€ - ok");
        },
    ),
];

#[test]
fn every_change_to_a_session_is_found() {
    check(&good(), CASES);
}
