//! IP addresses, of version 4 in dotted and of version 6 in full or compressed form.
//!
//! Loopback and unspecified addresses name nobody and are none. Private ones are: within a network
//! they name a device. Versions are told from addresses by what stands before them (`Chrome/`,
//! `version`); a bare `1.2.3.4` cannot be.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{constant, edge};

static V4: LazyLock<Regex> = LazyLock::new(|| constant(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"));

/// What version 6 is written with, two colons at least.
static V6: LazyLock<Regex> =
    LazyLock::new(|| constant("[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*"));

pub(in super::super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<_> = V6.find_iter(text).filter_map(|m| v6(text, m.range())).collect();
    let sixes = found.len();
    for four in V4.find_iter(text).map(|m| m.range()).filter(|range| is_v4(text, range)) {
        let before = found[..sixes].partition_point(|six| six.start < four.end);
        if before == 0 || found[before - 1].end <= four.start {
            found.push(four);
        }
    }
    found.sort_by_key(|range| range.start);
    found
}

fn is_v4(text: &str, range: &Range<usize>) -> bool {
    let Ok(address) = text[range.clone()].parse::<Ipv4Addr>() else { return false };
    !is_nobody(address)
        && edge::is_open_before(text, range.start)
        && edge::is_open_after(text, range.end)
        && !is_version(&text[..range.start])
}

fn is_nobody(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_unspecified() || address.is_broadcast()
}

/// What stands before says that a version follows: `Chrome/120.0.0.0`, `Version=1.2.3.4`.
fn is_version(before: &str) -> bool {
    let product = before.strip_suffix('/');
    if product.is_some_and(|product| product.ends_with(|c: char| c.is_ascii_alphabetic())) {
        return true;
    }
    let word = before.trim_end_matches([' ', '=', ':', '"', '\'', '\\']).as_bytes();
    let ends_with = |end: &[u8]| {
        word.len() >= end.len() && word[word.len() - end.len()..].eq_ignore_ascii_case(end)
    };
    ends_with(b"version") || ends_with(b" v")
}

/// The address within a run of hex digits, colons and points, if there is one.
fn v6(text: &str, run: Range<usize>) -> Option<Range<usize>> {
    let Range { mut start, mut end } = run;
    if !edge::is_open_before(text, start) {
        // `src:fe80::1`: the word before the first colon began with other letters.
        start += text[start..end].find(':')?;
    }
    // A single colon divides it from a label before it or a sentence after it.
    let address = &text[start..end];
    if address.starts_with(':') && !address.starts_with("::") {
        start += 1;
    } else if address.starts_with("::") && !edge::is_open_before(text, start) {
        return None;
    }
    end -= text[start..end].len() - text[start..end].trim_end_matches('.').len();
    if text[start..end].ends_with(':') && !text[start..end].ends_with("::") {
        end -= 1;
    }
    // `\b` and `\f` of a JSON text end with letters that are digits here.
    let unescaped = start + usize::from(edge::is_escape(text, start + 1));
    let starts = [start, unescaped].into_iter();
    let mut starts = starts.filter(|&start| start < end && is_v6(&text[start..end]));
    if edge::is_open_after(text, end) { starts.next().map(|start| start..end) } else { None }
}

fn is_v6(text: &str) -> bool {
    let Ok(address) = text.parse::<Ipv6Addr>() else { return false };
    let nobody = address.is_loopback()
        || address.is_unspecified()
        || address.to_ipv4_mapped().is_some_and(is_nobody);
    // `a::b` and `dead::beef` are paths in code; eight groups of two are a hardware address.
    let has_digit = text.bytes().any(|b| b.is_ascii_digit());
    let letters = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let is_hardware = text.split(':').all(|group| group.len() == 2);
    !nobody && has_digit && letters >= 4 && !is_hardware
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_their_usual_surroundings() {
        for (text, address) in [
            ("192.0.2.7", "192.0.2.7"),
            ("from 10.1.2.3.", "10.1.2.3"),
            ("http://203.0.113.9:8080/x", "203.0.113.9"),
            ("10.0.0.0/8", "10.0.0.0"),
            ("ports 192.0.2.1:80:8080", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::8a2e:370:7334]:443", "2001:db8::8a2e:370:7334"),
            ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"),
            ("fe80::1%eth0", "fe80::1"),
            ("addr:2001:db8::1.", "2001:db8::1"),
            ("src:fe80::1", "fe80::1"),
            ("2001:db8::1: refused", "2001:db8::1"),
            ("::ffff:192.0.2.128", "::ffff:192.0.2.128"),
            ("2001:db8::/32", "2001:db8::"),
            (r"a\nfe80::12", "fe80::12"),
            (r"a\bfe80::12", "fe80::12"),
            (r"C:\fe80::12", "fe80::12"),
        ] {
            let found: Vec<&str> = find(text).into_iter().map(|span| &text[span]).collect();
            assert_eq!(found, [address], "{text:?}");
        }
        assert_eq!(find("192.0.2.1,192.0.2.2 2001:db8::1").len(), 3);
    }

    #[test]
    fn versions_times_and_paths_in_code_are_none() {
        for text in [
            "1.2.3.4.5",
            "1.3.6.1.4.1.311",
            "v1.2.3.4",
            "Chrome/120.0.0.0 Safari/537.36",
            "Version=1.2.3.4",
            "version: 1.2.3.4",
            "1.2.3.4-beta",
            "256.1.1.1",
            "01.2.3.4",
            "1.2.3",
            "127.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "10:20:30",
            "2026-07-30T10:20:30+02:00",
            "std::fmt::Display",
            "a::b",
            "dead::beef",
            "crate::a1::b2",
            "abc::def1::name",
            "00:1a:2b:3c:4d:5e",
            "00:1a:2b:ff:fe:3c:4d:5e",
            "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD",
            "1:2:3:4:5:6:7:8:9",
            "urn:uuid:0198a3c4-7b1e-7c3d-9e2f-5a6b7c8d9e0f",
        ] {
            assert!(find(text).is_empty(), "{text:?}");
        }
    }
}
