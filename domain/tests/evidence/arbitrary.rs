//! JSON values of any kind, and the many ways to write one down.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Number, Value};

/// Characters from every region in which UTF-8 and UTF-16 order differ, and those that are escaped.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        proptest::char::range('\u{0}', '\u{7f}'),
        proptest::char::range('\u{80}', '\u{d7ff}'),
        proptest::char::range('\u{e000}', '\u{ffff}'),
        proptest::char::range('\u{10000}', '\u{10ffff}'),
        Just('"'),
        Just('\\'),
    ]
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(character(), 0..6).prop_map(String::from_iter)
}

fn number() -> impl Strategy<Value = Number> {
    const SAFE: i64 = (1 << 53) - 1;
    let double =
        any::<u64>().prop_filter_map("finite", |bits| Number::from_f64(f64::from_bits(bits)));
    prop_oneof![(-SAFE..=SAFE).prop_map(Number::from), (-99..99i64).prop_map(Number::from), double]
}

/// Values that JCS can carry, nested and with all sorts of keys.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Number),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let member = (text(), inner.clone());
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(Value::Array),
            proptest::collection::vec(member, 0..8)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// The same value written with other white space, escapes and order of members.
pub(crate) fn written_differently(value: &Value, seed: u64) -> String {
    let mut hand = Hand { rng: StdRng::seed_from_u64(seed), out: String::new() };
    hand.write(value);
    hand.space();
    hand.out
}

struct Hand {
    rng: StdRng,
    out: String,
}

impl Hand {
    fn toss(&mut self, sides: u64) -> u64 {
        self.rng.next_u64() % sides
    }

    fn space(&mut self) {
        for _ in 0..self.toss(3) {
            let space = [' ', '\n', '\r', '\t'][self.toss(4) as usize];
            self.out.push(space);
        }
    }

    fn write(&mut self, value: &Value) {
        self.space();
        match value {
            Value::String(text) => self.write_string(text),
            Value::Array(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.comma_before(i);
                    self.write(item);
                    self.space();
                }
                self.out.push(']');
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.shuffle(&mut self.rng);
                self.out.push('{');
                self.space();
                for (i, (key, member)) in members.into_iter().enumerate() {
                    self.comma_before(i);
                    self.write_string(key);
                    self.space();
                    self.out.push(':');
                    self.write(member);
                    self.space();
                }
                self.out.push('}');
            }
            scalar => self.out.push_str(&scalar.to_string()),
        }
    }

    fn comma_before(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
            self.space();
        }
    }

    fn write_string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            let must = c < ' ' || c == '"' || c == '\\';
            if must || self.toss(4) == 0 {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let upper = self.toss(2) == 0;
                    let hex = if upper { format!("{unit:04X}") } else { format!("{unit:04x}") };
                    self.out.push_str("\\u");
                    self.out.push_str(&hex);
                }
            } else {
                self.out.push(c);
            }
        }
        self.out.push('"');
    }
}
