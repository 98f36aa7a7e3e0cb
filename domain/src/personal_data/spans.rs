//! The places of matches in one text, each of them one kind's only.

use std::borrow::Cow;
use std::ops::Range;

use super::detect::phone::Checks;
use super::detect::{card, email, iban, ip, phone, secrets, ssn};
use super::detector::Detector;
use super::prefilter::Suspects;

/// Rounds of masking: one replaces all that there was, a second what lay against it.
const MASK_ROUNDS_MAX: usize = 8;

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
pub(super) fn find(text: &str, suspects: Suspects, checks: &mut Checks) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for detector in BY_PRECEDENCE.into_iter().filter(|&d| suspects.contains(d)) {
        let mut found = Vec::new();
        let mut free_from = 0;
        for (_, claimed) in &spans {
            found.extend(find_between(detector, text, free_from..claimed.start, checks));
            free_from = claimed.end;
        }
        found.extend(find_between(detector, text, free_from..text.len(), checks));
        if !found.is_empty() {
            spans.append(&mut found);
            spans.sort_by_key(|(_, span)| span.start);
        }
    }
    spans
}

/// The text without the spans that were found in it, nor what their replacement sets free.
pub(super) fn mask<'t>(
    text: &'t str,
    found: &[Span],
    suspects: Suspects,
    checks: &mut Checks,
) -> Cow<'t, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = replace(text, found);
    for _ in 1..MASK_ROUNDS_MAX {
        let found = find(&masked, suspects, checks);
        if found.is_empty() {
            break;
        }
        masked = replace(&masked, &found);
    }
    Cow::Owned(masked)
}

/// The text with each span replaced by the name of its kind.
fn replace(text: &str, spans: &[Span]) -> String {
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

/// Bytes of the shortest match of a kind: most strings and keys are shorter.
fn bytes_min(detector: Detector) -> usize {
    match detector {
        Detector::Email => 6,
        Detector::IpAddress => 5,
        Detector::Phone => 8,
        Detector::Ssn => 11,
        Detector::CreditCard => 13,
        Detector::Iban => 15,
        Detector::AwsAccessKeyId | Detector::PrivateKey | Detector::Jwt | Detector::GithubToken => {
            20
        }
    }
}

fn find_between(
    detector: Detector,
    text: &str,
    free: Range<usize>,
    checks: &mut Checks,
) -> impl Iterator<Item = Span> {
    let offset = free.start;
    let piece = &text[free];
    let spans = match detector {
        _ if piece.len() < bytes_min(detector) => Vec::new(),
        Detector::Email => email::find(piece),
        Detector::Phone => phone::find(piece, checks),
        Detector::Ssn => ssn::find(piece),
        Detector::CreditCard => card::find(piece),
        Detector::Iban => iban::find(piece),
        Detector::IpAddress => ip::find(piece),
        Detector::AwsAccessKeyId => secrets::aws_access_key_ids(piece),
        Detector::PrivateKey => secrets::private_keys(piece),
        Detector::Jwt => secrets::jwts(piece),
        Detector::GithubToken => secrets::github_tokens(piece),
    };
    spans.into_iter().map(move |span| (detector, span.start + offset..span.end + offset))
}
