//! What holds for every payload, over random documents and a table of what must stay silent.

use proptest::prelude::*;

use super::*;
use crate::evidence::canonical;

const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

/// Valid values of every kind.
const VALUES: [(Detector, &str); 29] = [
    (Detector::Email, "joe.bloggs+x@mail.example.com"),
    (Detector::Email, "jörg@müller.de"),
    (Detector::Email, "用户@例子.公司"),
    (Detector::Email, "a@b.io"),
    (Detector::Phone, "+14155552671"),
    (Detector::Phone, "+49 (0)30/901820"),
    (Detector::Phone, "+44\u{a0}20\u{a0}7946\u{a0}0958"),
    (Detector::Phone, "(415) 555-2671"),
    (Detector::Phone, "415.555.2671"),
    (Detector::Ssn, "123-45-6789"),
    (Detector::Ssn, "219 09 9999"),
    (Detector::CreditCard, "4111111111111111"),
    (Detector::CreditCard, "5555-5555-5555-4444"),
    (Detector::CreditCard, "3782 822463 10005"),
    (Detector::Iban, "DE89370400440532013000"),
    (Detector::Iban, "GB82 WEST 1234 5698 7654 32"),
    (Detector::Iban, "NO9386011117947"),
    (Detector::IpAddress, "192.0.2.7"),
    (Detector::IpAddress, "2001:db8::8a2e:370:7334"),
    (Detector::IpAddress, "2001:db8:85a3:0:0:8a2e:370:7334"),
    (Detector::IpAddress, "::ffff:192.0.2.7"),
    (Detector::AwsAccessKeyId, "AKIAIOSFODNN7EXAMPLE"),
    (Detector::AwsAccessKeyId, "ASIAIOSFODNN7EXAMPLE"),
    (Detector::PrivateKey, "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"),
    (Detector::PrivateKey, "-----BEGIN PRIVATE KEY-----\\nMIIB\\n-----END PRIVATE KEY-----"),
    (Detector::Jwt, JWT),
    (Detector::GithubToken, "ghp_aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789"),
    (Detector::GithubToken, "ghs_aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789"),
    (Detector::GithubToken, "github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ"),
];

/// What ordinary payloads are full of, and none of it personal.
const SILENT: [&str; 46] = [
    "550e8400-e29b-41d4-a716-446655440000",
    "12345678-1234-1234-1234-123456789012",
    "0198a3c4-7b1e-7c3d-9e2f-5a6b7c8d9e0f",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sha256:1111111111111111222222222222222233333333333333334444444444444444",
    "2026-07-30T10:20:30.123456789Z",
    "2026-07-30T10:20:30+02:00",
    "2026-07-30 10:20:30 +0200",
    "20260730T102030Z",
    "20260730-123456-7890",
    "1722334455667",
    "1722334455667788991",
    "3.141592653589793238462643",
    "0.4155552671",
    "-122.4194155, 37.7749295",
    "37.7749295,-122.4194155",
    "1e+30",
    "ORD-2026-000123456",
    "order 4155552671",
    "INV-415-555-2671",
    "#4155552671",
    "12345678901234567890",
    "1.2.3.4.5",
    "v1.2.3.4",
    "10.15.7",
    "1.3.6.1.4.1.311.21.20",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "serde@1.0.228 and @scope/pkg@2.0.0-rc.1",
    "git@github.com:org/repo.git",
    "icon@2x.png",
    "std::collections::HashMap",
    "a::b::c and Cafe::Bad",
    "00:1a:2b:3c:4d:5e",
    "localhost:8080 127.0.0.1 ::1 0.0.0.0",
    "256 512 1024 2048",
    "978-3-16-148410-0",
    "ISBN 9783161484100",
    "+1 more, +25 others",
    "(2026) 123-456",
    "$1,234,567.89",
    "4111 1111 1111 1112",
    "call_0198a3c47b1e7c3d9e2f5a6b7c8d9e0f",
    "claude-sonnet-4-5-20250929",
    "arn:aws:iam::123456789012:role/Admin",
    "[REDACTED]",
    "[email] [phone] [ip_address] [private_key]",
];

fn canonical(value: &serde_json::Value) -> String {
    let text = serde_json::to_vec(value).unwrap();
    String::from_utf8(canonical::canonicalize(&text).unwrap()).unwrap()
}

#[test]
fn ordinary_identifiers_times_and_versions_are_silent() {
    for text in SILENT {
        let payload = canonical(&serde_json::json!({ "a": text, text: [text] }));
        assert_eq!(scan(&payload), [], "{text:?}");
        assert!(matches!(mask(text), Cow::Borrowed(_)), "{text:?}");
    }
}

#[test]
fn every_value_is_found_as_its_kind_only_and_masked() {
    for (detector, value) in VALUES {
        let payload = canonical(&serde_json::json!({ "a": [null, value] }));
        let finding = Finding { detector, pointer: "/a/1".to_owned(), count: 1 };
        assert_eq!(scan(&payload), [finding], "{value:?}");
        assert_eq!(mask(value), format!("[{}]", detector.as_str()));
    }
}

#[test]
fn a_card_is_found_among_the_numbers() {
    let found = scan(r#"{"card":4111111111111111,"other":4111111111111112,"phone":14155552671}"#);
    let card = Finding { detector: Detector::CreditCard, pointer: "/card".to_owned(), count: 1 };
    assert_eq!(found, [card]);
}

#[test]
fn a_key_that_is_personal_data_is_masked_in_every_pointer_through_it() {
    let found = scan(r#"{"users":{"joe@example.com":{"phone":"+14155552671, +14155552672"}}}"#);
    let expected = [
        Finding { detector: Detector::Email, pointer: "/users/[email]".to_owned(), count: 1 },
        Finding { detector: Detector::Phone, pointer: "/users/[email]/phone".to_owned(), count: 2 },
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_pointer_does_not_repeat_what_its_key_hides_in_something_longer() {
    let found = scan(r#"{"ORD-4111111111111111":{"v1.2.3.4/x":["4111111111111111","1.2.3.4"]}}"#);
    let pointers: Vec<&str> = found.iter().map(|f| f.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        ["/ORD-[credit_card]/v[ip_address]~1x/0", "/ORD-[credit_card]/v[ip_address]~1x/1"]
    );
    let found = scan(r#"{"ORD-4111111111111111":"joe@example.com","x":"4111111111111111"}"#);
    assert_eq!(found[0].pointer, "/ORD-[credit_card]");
}

#[test]
fn what_lies_within_a_more_specific_kind_is_nothing_else() {
    for (text, masked) in [
        (
            "https://ghp_aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789@github.com",
            "https://[github_token]@github.com",
        ),
        ("123-45-6789@example.com", "[email]"),
        ("+4111111111111111", "+[credit_card]"),
        ("joe@example.com: 415-555-2671", "[email]: [phone]"),
        (
            "{\"to\":\"joe@example.com\",\"n\":\"\\n123-45-6789\"}",
            "{\"to\":\"[email]\",\"n\":\"\\n[ssn]\"}",
        ),
    ] {
        assert_eq!(mask(text), masked);
    }
}

#[test]
fn findings_are_bounded_and_every_kind_keeps_a_place() {
    let mut items = vec!["a@b.io"; 200];
    items.push("4111111111111111");
    let found = scan(&canonical(&serde_json::json!(items)));
    let count = |detector| found.iter().filter(|f| f.detector == detector).map(|f| f.count).sum();
    let (emails, cards): (u32, u32) = (count(Detector::Email), count(Detector::CreditCard));
    assert!(found.len() <= FINDINGS_MAX);
    assert_eq!((emails, cards), (200, 1));
}

#[test]
fn a_text_that_is_no_json_is_one_string() {
    let finding = Finding { detector: Detector::Email, pointer: String::new(), count: 1 };
    assert_eq!(scan("mail a@b.io"), [finding]);
}

/// What may stand against a value without being part of it, escapes of canonical JSON among it.
fn neighbour() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "", " ", "\n", "\t", "\r\n", "\"", "\\\"", "\u{1}", "\u{1f}", "\\\\n", "(", ")", "<", ">",
        "[", "]", "{", "}", ",", ";", "|", " é ", " 漢字 ", "“", "”", "🙂", " x ", "\u{8}",
        "\u{c}",
    ])
}

/// Documents that hold nothing by themselves.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (0..1_000_000_i64).prop_map(Into::into),
        "[a-z \n\"\\\\é]{0,12}".prop_map(Into::into),
        prop::sample::select(SILENT.to_vec()).prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-z/~\n]{0,6}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_is_found_where_it_stands_and_never_repeated(
        (detector, value) in prop::sample::select(VALUES.to_vec()),
        (before, after) in (neighbour(), neighbour()),
        filler in document(),
        steps in prop::collection::vec(prop_oneof![Just(None), "[a-z/~]{1,5}".prop_map(Some)], 0..6),
        as_key in any::<bool>(),
    ) {
        let text = format!("{before}{value}{after}");
        let mut node = if as_key {
            serde_json::json!({ text.as_str(): "below" })
        } else {
            text.clone().into()
        };
        let mut pointer = String::new();
        for step in &steps {
            node = match step {
                None => serde_json::json!([filler, node]),
                Some(key) => serde_json::json!({ key.as_str(): node, "": filler }),
            };
            let step = step.as_ref().map_or("1".to_owned(), |key| key.replace('~', "~0").replace('/', "~1"));
            pointer = format!("/{step}{pointer}");
        }
        if as_key {
            let masked = mask(&text).replace('~', "~0").replace('/', "~1");
            pointer = format!("{pointer}/{masked}");
        }
        let payload = canonical(&node);
        let found = scan(&payload);
        prop_assert_eq!(&found, &[Finding { detector, pointer, count: 1 }]);
        prop_assert!(!found[0].pointer.contains(value));
        prop_assert!(!serde_json::to_string(&found).unwrap().contains(value));
        prop_assert!(!mask(&text).contains(value));
        // A canonical text may be masked as it is, but for what stands against `\u0001`.
        if !before.starts_with(['\u{1}', '\u{1f}']) {
            prop_assert!(!mask(&payload).contains(value));
        }
    }

    #[test]
    fn masking_leaves_no_match_and_is_done_at_once(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(VALUES.to_vec()).prop_map(|(_, value)| value.to_owned()),
                prop::sample::select(SILENT.to_vec()).prop_map(str::to_owned),
                "[-0-9a-fA-F:.+@ _/\\\\n]{0,6}",
                "\\PC{0,4}",
            ],
            0..8,
        ),
    ) {
        let masked = mask(&pieces.concat()).into_owned();
        prop_assert_eq!(&mask(&masked), &masked);
        prop_assert_eq!(scan(&canonical(&masked.as_str().into())), []);
    }

    #[test]
    fn any_text_can_be_scanned(text in "\\PC{0,200}") {
        scan(&text);
        mask(&text);
    }

    #[test]
    fn a_tree_gives_what_its_text_gives(
        values in prop::collection::vec((prop::sample::select(VALUES.to_vec()), neighbour()), 0..4),
        filler in document(),
    ) {
        let texts: Vec<String> = values.iter().map(|((_, v), n)| format!("{n}{v}{n}")).collect();
        let payload = canonical(&serde_json::json!([texts, filler]));
        let document = json::parse(payload.as_bytes(), DEPTH_MAX).unwrap();
        prop_assert_eq!(scan_parsed(&payload, &document.root), scan(&payload));
    }

    #[test]
    fn what_is_found_precisely_is_suspected(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(VALUES.to_vec()).prop_map(|(_, value)| value.to_owned()),
                "[-0-9a-fA-F:.+@ ()\n\"é]{0,6}",
            ],
            0..4,
        ),
    ) {
        let text = pieces.concat();
        let all = prefilter::Suspects::all();
        let payload = canonical(&text.as_str().into());
        let tree = Json::String(Cow::Borrowed(&text));
        prop_assert_eq!(walk::findings(&tree, all), scan(&payload));
    }
}
