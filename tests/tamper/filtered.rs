//! Evidence exports of a window of time and of what broke a policy.

use serde_json::json;

use crate::case::{Case, case, check};
use crate::good::selection::{body, file, filters, policy_body, window_body};
use crate::selections::{FILE, SIGNATURE, evidence, sign};

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
