//! RFC 8785 on whole documents: the samples of the RFC, the reference, and what must not matter.

use domain::evidence::canonical::{canonicalize, text_member, write_string};
use domain::evidence::json::utf16_order;
use proptest::prelude::*;

use crate::arbitrary::{json, text, written_differently};

/// RFC 8785, section 3.2.2.
const RFC_INPUT: &str = r#"{
  "numbers": [333333333.33333329, 1E30, 4.50,
              2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"#;

/// RFC 8785, section 3.2.4.
const RFC_OUTPUT: &str = "
    7b 22 6c 69 74 65 72 61 6c 73 22 3a 5b 6e 75 6c 6c 2c 74 72 75 65 2c 66 61 6c 73 65 5d 2c 22
    6e 75 6d 62 65 72 73 22 3a 5b 33 33 33 33 33 33 33 33 33 2e 33 33 33 33 33 33 33 2c 31 65 2b
    33 30 2c 34 2e 35 2c 30 2e 30 30 32 2c 31 65 2d 32 37 5d 2c 22 73 74 72 69 6e 67 22 3a 22 e2
    82 ac 24 5c 75 30 30 30 66 5c 6e 41 27 42 5c 22 5c 5c 5c 5c 5c 22 2f 22 7d";

/// RFC 8785, section 3.2.3.
const RFC_KEYS: &str = r#"{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}"#;

fn canonical(text: &str) -> String {
    String::from_utf8(canonicalize(text.as_bytes()).expect(text)).unwrap()
}

#[test]
fn the_sample_of_the_rfc_becomes_the_bytes_of_the_rfc() {
    let bytes: Vec<u8> =
        RFC_OUTPUT.split_whitespace().map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect();
    assert_eq!(canonicalize(RFC_INPUT.as_bytes()).unwrap(), bytes);
}

#[test]
fn keys_are_sorted_as_the_rfc_sorts_them() {
    let expected = concat!(
        r#"{"\r":"Carriage Return","1":"One",""#,
        "\u{80}",
        r#"":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","#,
        r#""😀":"Emoji: Grinning Face",""#,
        "\u{fb33}",
        r#"":"Hebrew Letter Dalet With Dagesh"}"#,
    );
    assert_eq!(canonical(RFC_KEYS), expected);
}

#[test]
fn strings_are_not_normalised() {
    assert_eq!(canonical(r#""\u00c5""#), "\"\u{c5}\"");
    assert_eq!(canonical(r#""A\u030a""#), "\"A\u{30a}\"");
    assert_eq!(canonical(r#"{"\u00c5":1,"A\u030a":2}"#), "{\"A\u{30a}\":2,\"\u{c5}\":1}");
}

#[test]
fn only_what_must_be_escaped_is_escaped() {
    let every_control: Vec<_> = (0..0x20).map(|unit| format!("\\u{unit:04X}")).collect();
    let every_control = every_control.concat();
    let expected = concat!(
        r#""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f"#,
        r#"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d"#,
        r#"\u001e\u001f""#,
    );
    assert_eq!(canonical(&format!("\"{every_control}\"")), expected);
    assert_eq!(canonical(r#""\/\u007f\u2028\u2029<>&""#), "\"/\u{7f}\u{2028}\u{2029}<>&\"");
}

#[test]
fn empty_things_keep_nothing_between_their_brackets() {
    assert_eq!(canonical("\t[ {\n} , [\r] , \"\" ]\n"), r#"[{},[],""]"#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_canonical_form_is_the_one_of_the_reference(value in json()) {
        let reference = serde_json_canonicalizer::to_string(&value).unwrap();
        prop_assert_eq!(canonical(&value.to_string()), reference);
    }

    #[test]
    fn a_text_at_the_top_is_found_without_reading_the_rest(
        members in proptest::collection::btree_map(text(), json(), 0..6), absent in text()
    ) {
        let object = serde_json::json!(members);
        let written = canonical(&object.to_string());
        for key in members.keys().chain([&absent]) {
            let found = text_member(&written, key);
            prop_assert_eq!(found.as_deref(), object.get(key).and_then(|v| v.as_str()), "{}", key);
        }
    }

    #[test]
    fn the_canonical_form_of_a_canonical_form_is_itself(value in json()) {
        let once = canonical(&value.to_string());
        prop_assert_eq!(canonical(&once), once);
    }

    #[test]
    fn order_white_space_and_escapes_do_not_matter(value in json(), seed in any::<u64>()) {
        let otherwise = written_differently(&value, seed);
        prop_assert_eq!(canonical(&otherwise), canonical(&value.to_string()));
    }

    #[test]
    fn keys_compare_as_their_utf16_code_units_do(a in text(), b in text(), shared in text()) {
        let (a, b) = (format!("{shared}{a}"), format!("{shared}{b}"));
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        prop_assert_eq!(utf16_order(&a, &b), units(&a).cmp(&units(&b)));
    }

    #[test]
    fn a_written_string_is_read_back_as_itself(text in text()) {
        let mut out = Vec::new();
        write_string(&text, &mut out);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
