//! The places of matches in one text, each of them one kind's only.

use std::ops::Range;

use super::detect::{card, email, iban, ip, phone, secrets, ssn};
use super::detector::Detector;
use super::prefilter::Suspects;

/// A match: its kind, and its bytes in the text.
pub(super) type Span = (Detector, Range<usize>);

/// The most specific first: what one kind has claimed, no later one reads.
const BY_PRECEDENCE: [Detector; 10] = [
    Detector::PrivateKey,
    Detector::Jwt,
    Detector::GithubToken,
    Detector::AwsAccessKeyId,
    Detector::Email,
    Detector::Iban,
    Detector::CreditCard,
    Detector::IpAddress,
    Detector::Ssn,
    Detector::Phone,
];

/// Every match of a suspected kind, in the order of the text, without overlaps.
pub(super) fn find(text: &str, suspects: Suspects) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for detector in BY_PRECEDENCE.into_iter().filter(|&d| suspects.contains(d)) {
        let mut found = Vec::new();
        let mut free_from = 0;
        for (_, claimed) in &spans {
            find_between(detector, text, free_from..claimed.start, &mut found);
            free_from = claimed.end;
        }
        find_between(detector, text, free_from..text.len(), &mut found);
        if !found.is_empty() {
            spans.append(&mut found);
            spans.sort_by_key(|(_, span)| span.start);
        }
    }
    spans
}

/// The text with each span replaced by the name of its kind.
pub(super) fn replace(text: &str, spans: &[Span]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut plain = 0;
    for (detector, span) in spans {
        out.push_str(&text[plain..span.start]);
        out.push('[');
        out.push_str(detector.as_str());
        out.push(']');
        plain = span.end;
    }
    out.push_str(&text[plain..]);
    out
}

fn find_between(detector: Detector, text: &str, free: Range<usize>, found: &mut Vec<Span>) {
    let piece = &text[free.clone()];
    let spans = match detector {
        Detector::Email => email::find(piece),
        Detector::Phone => phone::find(piece),
        Detector::Ssn => ssn::find(piece),
        Detector::CreditCard => card::find(piece),
        Detector::Iban => iban::find(piece),
        Detector::IpAddress => ip::find(piece),
        Detector::AwsAccessKeyId => secrets::aws_access_key_ids(piece),
        Detector::PrivateKey => secrets::private_keys(piece),
        Detector::Jwt => secrets::jwts(piece),
        Detector::GithubToken => secrets::github_tokens(piece),
    };
    let moved = spans.into_iter().map(|s| (detector, s.start + free.start..s.end + free.start));
    found.extend(moved);
}
