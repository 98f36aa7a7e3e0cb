//! For all inputs: nothing panics, and nothing that was changed passes.

use proptest::prelude::*;

use super::*;
use crate::evidence::json::parse;

/// Canonical form of each line, or the text itself where it is no JSON: what a log says.
fn content(text: &[u8]) -> Vec<Vec<u8>> {
    let lines = text.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let canonical = |line: &[u8]| match parse(line, 70) {
        Ok(document) if document.flaws.is_empty() => canonical::to_canonical(&document.root),
        _ => line.to_owned(),
    };
    lines.map(canonical).collect()
}

/// The seal's `received_at` is bound to the seal's time by the millisecond; below that no hash
/// covers it.
fn is_below_a_millisecond(at: usize) -> bool {
    let field = SESSION.rfind("\"received_at\"").unwrap();
    let digits = SESSION[field..].find("000Z\"").unwrap() + field;
    (digits..digits + 3).contains(&at)
}

fn assert_a_change_does_not_pass(at: usize, byte: u8) {
    let mut changed = SESSION.as_bytes().to_vec();
    changed[at] = byte;
    if is_below_a_millisecond(at) || content(&changed) == content(SESSION.as_bytes()) {
        return;
    }
    let report = verify_knowing_all(&changed);
    assert_ne!(report.status, Status::Pass, "byte {at} as {byte:#x}");
    assert_ne!(report.exit_code, 0);
}

/// Every position, with the changes that are most likely to slip through.
#[test]
fn no_single_byte_can_be_changed() {
    for (at, byte) in SESSION.bytes().enumerate() {
        assert_a_change_does_not_pass(at, byte ^ 1);
        assert_a_change_does_not_pass(at, byte ^ 0x20);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_byte_can_be_changed_to_any_other(at in 0..SESSION.len(), byte: u8) {
        assert_a_change_does_not_pass(at, byte);
    }

    #[test]
    fn no_byte_can_be_removed(at in 0..SESSION.len()) {
        let mut changed = SESSION.as_bytes().to_vec();
        changed.remove(at);
        let sub_millisecond = is_below_a_millisecond(at);
        prop_assume!(!sub_millisecond && content(&changed) != content(SESSION.as_bytes()));
        prop_assert_ne!(verify_knowing_all(&changed).status, Status::Pass);
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_ne!(verify_knowing_all(&bytes).status, Status::Pass);
    }

    #[test]
    fn random_mutations_do_not_panic(
        cuts in proptest::collection::vec((0..SESSION.len(), 0..400_usize, 0..SESSION.len()), 1..6),
        as_array: bool,
    ) {
        let mut text = SESSION.as_bytes().to_vec();
        if as_array {
            text = format!("[{}]", SESSION.trim().replace('\n', ",")).into_bytes();
        }
        for (from, length, to) in cuts {
            let from = from.min(text.len());
            let piece: Vec<u8> = text.drain(from..(from + length).min(text.len())).collect();
            let to = to.min(text.len());
            text.splice(to..to, piece);
        }
        let report = verify_knowing_all(&text);
        prop_assert!(report.exit_code <= 5);
        prop_assert!(!serde_json::to_string(&report).unwrap().is_empty());
    }
}
