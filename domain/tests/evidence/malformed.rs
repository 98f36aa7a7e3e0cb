//! What is not JSON is refused with its line and column, and nothing makes the reader panic.

use domain::evidence::canonical::{CanonicalError, canonicalize};
use domain::evidence::json::{DEPTH_MAX, FlawKind, parse};
use proptest::prelude::*;

use crate::arbitrary::json;

const SAMPLE: &str = r#"{"a":[-1.5e+10,true,null,{"b":"\ud83d\ude00é\n"},[]],"c":false}"#;

#[test]
fn what_is_not_json_is_refused_at_its_line_and_column() {
    let malformed: [(&[u8], usize, usize); 36] = [
        (b"", 1, 1),
        (b" \n\n", 3, 1),
        (b"{} x", 1, 4),
        (b"1 2", 1, 3),
        (b"[1,\n 2,\n x]", 3, 2),
        (br#"{"a":1,}"#, 1, 8),
        (b"[1,]", 1, 4),
        (b"[1 2]", 1, 4),
        (b"[,1]", 1, 2),
        (b"[", 1, 2),
        (b"]", 1, 1),
        (br#"{"a" 1}"#, 1, 6),
        (br#"{"a":}"#, 1, 6),
        (b"{a:1}", 1, 2),
        (b"{1:1}", 1, 2),
        (b"{'a':1}", 1, 2),
        (b"'a'", 1, 1),
        (b"01", 1, 2),
        (b"-01", 1, 3),
        (b"+1", 1, 1),
        (b".5", 1, 1),
        (b"1.", 1, 3),
        (b"1.e5", 1, 3),
        (b"1e", 1, 3),
        (b"1e+", 1, 4),
        (b"-", 1, 2),
        (b"0x10", 1, 2),
        (b"NaN", 1, 1),
        (b"-Infinity", 1, 2),
        (b"nul", 1, 1),
        (b"True", 1, 1),
        (b"\"a\x01b\"", 1, 3),
        (b"\"a\nb\"", 1, 3),
        (br#""\x""#, 1, 3),
        (br#""\u12G4""#, 1, 4),
        (b"\xef\xbb\xbf{}", 1, 1),
    ];
    for (text, line, column) in malformed {
        let shown = String::from_utf8_lossy(text);
        let error = parse(text, DEPTH_MAX).expect_err(&shown);
        assert_eq!((error.line, error.column), (line, column), "{shown}: {error}");
    }
}

#[test]
fn comments_are_not_json() {
    for text in ["// one\n1", "/* one */1", "[1]#", "1//"] {
        assert!(parse(text.as_bytes(), DEPTH_MAX).is_err(), "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_where_they_stand() {
    // A stray byte, an overlong slash, a surrogate in UTF-8, a code beyond U+10FFFF, half a letter.
    for bytes in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"] {
        let text = [b"[1,\n\"ab", bytes, b"\"]"].concat();
        let error = parse(&text, DEPTH_MAX).unwrap_err();
        assert_eq!((error.message, error.line, error.column), ("invalid UTF-8", 2, 4));
    }
}

#[test]
fn every_control_character_in_a_string_is_refused_unless_escaped() {
    for control in 0..0x20u8 {
        assert!(parse(&[b'"', control, b'"'], DEPTH_MAX).is_err(), "{control:#x}");
        assert!(parse(&[b'"', b'\\', b'n', control, b'"'], DEPTH_MAX).is_err(), "{control:#x}");
    }
    assert!(parse(b"\"\x7f\"", DEPTH_MAX).is_ok());
}

#[test]
fn a_document_cut_anywhere_is_not_json() {
    assert!(canonicalize(SAMPLE.as_bytes()).is_ok());
    for end in 0..SAMPLE.len() {
        let verdict = canonicalize(&SAMPLE.as_bytes()[..end]);
        assert!(matches!(verdict, Err(CanonicalError::NotJson(_))), "{end}: {verdict:?}");
    }
}

/// What a general parser and this one may see differently, because one forgets what the other notes.
fn tolerated_elsewhere(kind: FlawKind) -> bool {
    match kind {
        FlawKind::DuplicateKey | FlawKind::IntegerNotExact | FlawKind::Depth | FlawKind::Nul => {
            true
        }
        FlawKind::LoneSurrogate | FlawKind::Overflow => false,
    }
}

/// Both readers take a text, or neither does.
fn agree_with_serde(text: &[u8]) -> Result<(), TestCaseError> {
    let shown = String::from_utf8_lossy(text);
    let serde = serde_json::from_slice::<serde_json::Value>(text);
    match (parse(text, DEPTH_MAX), serde) {
        (Ok(document), Ok(value)) => {
            let refused: Vec<_> =
                document.flaws.iter().filter(|f| !tolerated_elsewhere(f.kind)).collect();
            prop_assert!(refused.is_empty(), "{shown}: {refused:?}");
            if document.flaws.is_empty() {
                let theirs = serde_json_canonicalizer::to_vec(&value).unwrap();
                prop_assert_eq!(canonicalize(text).unwrap(), theirs, "{}", shown);
            }
        }
        (Ok(document), Err(error)) => {
            let refused = document.flaws.iter().any(|f| !tolerated_elsewhere(f.kind));
            prop_assert!(refused, "{shown}: only serde_json refuses: {error}");
        }
        (Err(error), Ok(_)) => prop_assert!(false, "{shown}: only we refuse: {error}"),
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

/// Crumbs of JSON, right and wrong, in any order.
fn crumbs() -> impl Strategy<Value = String> {
    let crumb = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"b\"",
        "\"a\":",
        "\\",
        "\\u",
        "\\ud83d",
        "\\ude00",
        "\\u0061",
        "\\n",
        "1",
        "0",
        "-",
        "+",
        ".",
        "e",
        "E",
        "1e400",
        "12.5e-3",
        "9007199254740993",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "\t",
        "\u{1}",
        "é",
        "😀",
        "\u{feff}",
        "/",
        "'",
        "NaN",
    ]);
    proptest::collection::vec(crumb, 0..12).prop_map(|crumbs| crumbs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_bytes_are_read_or_refused_as_serde_json_does(bytes in any::<Vec<u8>>()) {
        agree_with_serde(&bytes)?;
    }

    #[test]
    fn any_crumbs_of_json_are_read_or_refused_as_serde_json_does(crumbs in crumbs()) {
        agree_with_serde(crumbs.as_bytes())?;
        agree_with_serde(format!("[{crumbs}]").as_bytes())?;
        agree_with_serde(format!("{{\"k\":\"{crumbs}\"}}").as_bytes())?;
    }

    #[test]
    fn one_changed_byte_is_seen_as_serde_json_sees_it(
        value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), printable in b' '..=b'~'
    ) {
        let text = value.to_string().into_bytes();
        for byte in [byte, printable] {
            let mut changed = text.clone();
            changed[at.index(text.len())] = byte;
            agree_with_serde(&changed)?;
        }
        let mut shorter = text.clone();
        shorter.remove(at.index(text.len()));
        agree_with_serde(&shorter)?;
    }
}
