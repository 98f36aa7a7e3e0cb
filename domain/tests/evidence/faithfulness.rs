//! What JCS cannot carry is refused with its place and its reason, never rounded.

use domain::evidence::canonical::{CanonicalError, canonicalize};
use domain::evidence::json::{DEPTH_MAX, parse};

/// The pointer and the reason of a refusal.
fn refused(text: &str) -> (String, &'static str) {
    match canonicalize(text.as_bytes()) {
        Err(CanonicalError::Unfaithful { pointer, kind }) => (pointer, kind.reason()),
        other => panic!("{text} gave {other:?}"),
    }
}

fn assert_refused(text: &str, pointer: &str, reason: &str) {
    assert_eq!(refused(text), (pointer.to_owned(), reason), "{text}");
}

fn nested(open: &str, core: &str, close: &str, times: usize) -> String {
    format!("{}{core}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    assert_refused(r#"{"a":1,"b":2,"a":3}"#, "/a", "duplicate key");
    assert_refused(r#"{"a":1,"a":1}"#, "/a", "duplicate key");
    assert_refused(r#"{"x":[0,{"é":1,"é":1}]}"#, "/x/1/é", "duplicate key");
    assert_refused(r#"{"":{"":1,"":2}}"#, "//", "duplicate key");
}

#[test]
fn a_key_that_stands_twice_is_found_behind_its_escapes() {
    assert_refused(r#"{"a":1,"\u0061":2}"#, "/a", "duplicate key");
    assert_refused(r#"{"\ud83d\ude00":1,"😀":2}"#, "/😀", "duplicate key");
    assert_refused(r#"{"\/":1,"/":2}"#, "/~1", "duplicate key");
    assert_refused(r#"{"~":1,"\u007e":2}"#, "/~0", "duplicate key");
}

#[test]
fn the_same_key_in_two_objects_is_no_duplicate() {
    let text = br#"{"a":{"a":[{"a":1},{"a":1}]}}"#;
    assert_eq!(canonicalize(text).unwrap(), text);
}

#[test]
fn half_a_surrogate_pair_is_refused_in_values_and_keys() {
    for lone in [r"\ud800", r"\uDBFF", r"\udc00", r"\uDFFF", r"\ude00\ud83d", r"\ud83dx\ude00"] {
        assert_refused(&format!(r#"["","a{lone}z"]"#), "/1", "lone surrogate");
        let (pointer, reason) = refused(&format!(r#"{{"k":{{"{lone}":1}}}}"#));
        assert!(pointer.starts_with("/k/") && pointer.contains('\u{fffd}'), "{pointer}");
        assert_eq!(reason, "lone surrogate");
    }
    assert_refused(r#""\ud83d\ud83d\ude00""#, "", "lone surrogate");
    assert_refused(r#""\ud83d\u0041""#, "", "lone surrogate");
}

#[test]
fn what_stands_after_half_a_pair_is_kept_in_the_pointer() {
    assert_refused(r#"{"\ud83d\u0041":1}"#, "/\u{fffd}A", "lone surrogate");
}

#[test]
fn a_whole_surrogate_pair_is_a_character() {
    assert_eq!(canonicalize(br#""\uD83D\uDE00""#).unwrap(), "\"😀\"".as_bytes());
    assert_eq!(canonicalize(br#""\udbff\udfff""#).unwrap(), "\"\u{10ffff}\"".as_bytes());
}

#[test]
fn an_integer_that_a_double_cannot_carry_is_refused() {
    let integers = [
        "9007199254740993",
        "-9007199254740993",
        "9007199254740995",
        "123456789012345678901",
        "100000000000000000001",
        "18446744073709551615",
        "-9223372036854775807",
        // A double carries it, but its canonical form is 1e+21.
        "1000000000000000000000",
    ];
    for integer in integers {
        let text = format!(r#"{{"n":[{integer}]}}"#);
        assert_refused(&text, "/n/0", "integer that a double cannot carry");
    }
}

#[test]
fn an_integer_that_is_its_own_canonical_form_is_taken() {
    for integer in [
        "9007199254740991",
        "-9007199254740991",
        "9007199254740992",
        "9007199254740994",
        "-9007199254740994",
        "9223372036854776000",
        "18446744073709552000",
        "100000000000000000000",
        "999999999999999900000",
    ] {
        assert_eq!(canonicalize(integer.as_bytes()).unwrap(), integer.as_bytes());
    }
}

#[test]
fn a_number_beyond_the_doubles_is_refused() {
    assert_refused("1e400", "", "overflow");
    assert_refused(r#"{"a":-1e400}"#, "/a", "overflow");
    assert_refused("[1.8e308]", "/0", "overflow");
    assert_refused(&format!("[1{}]", "0".repeat(400)), "/0", "overflow");
}

#[test]
fn nesting_is_carried_down_to_its_limit_and_no_deeper() {
    let deepest = nested("[", "1", "]", DEPTH_MAX);
    assert_eq!(canonicalize(deepest.as_bytes()).unwrap(), deepest.as_bytes());
    let too_deep = nested("[", "", "]", DEPTH_MAX + 1);
    assert_refused(&too_deep, &"/0".repeat(DEPTH_MAX), "depth");
    let too_deep = nested("{\"a\":", "{}", "}", DEPTH_MAX);
    assert_refused(&too_deep, &"/a".repeat(DEPTH_MAX), "depth");
}

#[test]
fn a_hundred_thousand_brackets_do_not_exhaust_a_small_stack() {
    let verdicts = || {
        let arrays = nested("[", "", "]", 100_000);
        let objects = nested("{\"a\":", "0", "}", 100_000);
        let mixed = nested("[{\"a\":[true,", "0", "]},null]", 30_000);
        for text in [arrays, objects, mixed] {
            assert_eq!(refused(&text).1, "depth");
            let unclosed = &text[..text.len() - 1];
            assert!(matches!(
                canonicalize(unclosed.as_bytes()),
                Err(CanonicalError::NotJson(error)) if error.column == text.len()
            ));
        }
    };
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    small.spawn(verdicts).unwrap().join().unwrap();
}

#[test]
fn what_lies_too_deep_must_still_be_json() {
    for core in
        ["[}", "{]", "{1:2}", "{\"a\"}", "[1 2]", "[01]", "[\"\u{1}\"]", "[,]", "[1,]", "{,}"]
    {
        let text = nested("[", core, "]", DEPTH_MAX);
        let verdict = canonicalize(text.as_bytes());
        assert!(matches!(verdict, Err(CanonicalError::NotJson(_))), "{core}: {verdict:?}");
    }
}

#[test]
fn the_first_flaw_in_the_text_answers() {
    assert_refused(r#"{"b":1e999,"a":"\ud800"}"#, "/b", "overflow");
}

#[test]
fn a_pointer_to_a_far_place_is_cut() {
    let long = "ü".repeat(400);
    let (pointer, _) = refused(&format!(r#"{{"{long}":{{"{long}":1e999}}}}"#));
    assert!(pointer.ends_with("ü…") || pointer.ends_with("/…"), "{pointer}");
    assert!(pointer.len() <= 512 + '…'.len_utf8());
}

#[test]
fn a_crowd_of_nul_characters_does_not_hide_a_duplicate_key() {
    let nuls = r#""\u0000","#.repeat(40);
    assert_refused(&format!(r#"[{nuls}{{"a":1,"a":2}}]"#), "/40/a", "duplicate key");
    assert_refused(&format!(r"[{nuls}1e999]"), "/40", "overflow");
}

#[test]
fn a_nul_character_is_noted_and_has_a_canonical_form() {
    let text = br#"{"a":["\u0000"]}"#;
    assert_eq!(canonicalize(text).unwrap(), text);
    let flaws = parse(text, DEPTH_MAX).unwrap().flaws;
    let noted: Vec<_> = flaws.iter().map(|f| (f.pointer(), f.kind.reason())).collect();
    assert_eq!(noted, [("/a/0".to_owned(), "NUL character")]);
}
