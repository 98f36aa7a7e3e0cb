//! Numbers as ECMAScript writes them (RFC 8785, section 3.2.2.3 and appendix B).

use domain::evidence::canonical::{canonicalize, write_integer, write_number};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// RFC 8785, appendix B: the bits of a double and how it is written.
const APPENDIX_B: [(u64, &str); 24] = [
    (0x0000_0000_0000_0000, "0"),
    (0x8000_0000_0000_0000, "0"),
    (0x0000_0000_0000_0001, "5e-324"),
    (0x8000_0000_0000_0001, "-5e-324"),
    (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
    (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
    (0x4340_0000_0000_0000, "9007199254740992"),
    (0xc340_0000_0000_0000, "-9007199254740992"),
    (0x4430_0000_0000_0000, "295147905179352830000"),
    (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
    (0x44b5_2d02_c7e1_4af6, "1e+23"),
    (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
    (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
    (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
    (0x444b_1ae4_d6e2_ef50, "1e+21"),
    (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
    (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
    (0x41b3_de43_5555_5553, "333333333.3333332"),
    (0x41b3_de43_5555_5554, "333333333.33333325"),
    (0x41b3_de43_5555_5555, "333333333.3333333"),
    (0x41b3_de43_5555_5556, "333333333.3333334"),
    (0x41b3_de43_5555_5557, "333333333.33333343"),
    (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
    (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
];

fn canonical(text: &str) -> String {
    String::from_utf8(canonicalize(text.as_bytes()).expect(text)).unwrap()
}

fn written(value: f64) -> String {
    let mut out = Vec::new();
    write_number(value, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_samples_of_the_rfc_are_written_as_the_rfc_writes_them() {
    for (bits, text) in APPENDIX_B {
        assert_eq!(written(f64::from_bits(bits)), text, "{bits:016x}");
    }
}

#[test]
fn the_samples_of_the_rfc_are_read_back_as_themselves() {
    for (_, text) in APPENDIX_B {
        assert_eq!(canonical(text), text);
    }
}

#[test]
fn the_numbers_that_are_no_numbers_in_json_are_refused() {
    for text in ["NaN", "Infinity", "-Infinity"] {
        assert!(canonicalize(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn literals_are_reformatted_without_a_change_of_value() {
    let literals = [
        ("2.0", "2"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0e99", "0"),
        ("1e30", "1e+30"),
        ("1E-7", "1e-7"),
        ("4.50", "4.5"),
        ("2e-3", "0.002"),
        ("1e21", "1e+21"),
        ("1e20", "100000000000000000000"),
        ("100000000000000000000", "100000000000000000000"),
        ("-15", "-15"),
        ("999999999999999", "999999999999999"),
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991", "-9007199254740991"),
        ("333333333.33333329", "333333333.3333333"),
        ("0.000000000000000000000000001", "1e-27"),
        ("2.2250738585072011e-308", "2.225073858507201e-308"),
        ("1e-400", "0"),
        // Halfway between two doubles, and just above: parsers that round twice fail here.
        ("9007199254740993.0000000000000000000000000001", "9007199254740994"),
        ("1.00000000000000011102230246251565404236316680908203125", "1"),
        ("1.00000000000000011102230246251565404236316680908203124", "1"),
        ("1.00000000000000011102230246251565404236316680908203126", "1.0000000000000002"),
    ];
    for (literal, text) in literals {
        assert_eq!(canonical(literal), text, "{literal}");
    }
}

#[test]
fn a_million_random_doubles_come_back_bit_for_bit() {
    let mut rng = StdRng::seed_from_u64(8785);
    let finite = std::iter::from_fn(|| Some(f64::from_bits(rng.next_u64())))
        .filter(|value| value.is_finite() && *value != 0.0);
    for value in finite.take(1_000_000) {
        let back: f64 = written(value).parse().unwrap();
        assert_eq!(back.to_bits(), value.to_bits(), "{value:e}");
    }
}

#[test]
fn random_doubles_are_written_as_the_reference_writes_them_and_read_as_themselves() {
    let mut rng = StdRng::seed_from_u64(3223);
    let finite = std::iter::from_fn(|| Some(f64::from_bits(rng.next_u64())))
        .filter(|value| value.is_finite());
    for value in finite.take(100_000) {
        let text = written(value);
        assert_eq!(text, serde_json_canonicalizer::to_string(&value).unwrap());
        assert_eq!(canonical(&text), text);
    }
}

proptest! {
    #[test]
    fn every_exact_integer_is_its_own_canonical_form(
        integer in 0..=domain::evidence::json::MAX_SAFE_INTEGER, small in 0..100_000u64
    ) {
        for integer in [integer, small] {
            let mut out = Vec::new();
            write_integer(integer, &mut out);
            let text = integer.to_string();
            prop_assert_eq!(String::from_utf8(out).unwrap(), text.clone());
            prop_assert_eq!(canonical(&text), text.clone());
            prop_assert_eq!(written(integer as f64), text);
        }
    }

    /// Powers of ten and of two and their neighbours, where formatting changes its shape.
    #[test]
    fn doubles_near_round_numbers_are_written_as_the_reference_writes_them(
        ten in -30..30i32, two in -1022..1023i32, neighbour in -3..4i64
    ) {
        for round in [10f64.powi(ten), 2f64.powi(two)] {
            let value = f64::from_bits(round.to_bits().wrapping_add_signed(neighbour));
            prop_assert_eq!(written(value), serde_json_canonicalizer::to_string(&value).unwrap());
        }
    }
}
