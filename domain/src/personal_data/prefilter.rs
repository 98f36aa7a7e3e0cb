//! One pass over a text that says which kinds it could hold.
//!
//! **Invariant:** whatever the precise detectors find in a decoded string, its pattern here hits in
//! the canonical text. That is why no pattern asserts what stands before it: in the canonical text
//! a line break before a number is the letter `n` of its escape. What canonical JSON escapes
//! (quotes, backslashes, control characters) is in no pattern.
//!
//! The patterns read bytes, so that the lazy DFA stays in use for every text, and they count few
//! alternatives at a time, so that its states stay few on hashes and long digits.

use std::sync::LazyLock;

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::detect::card;
use super::detector::Detector;

/// The kinds that a text is suspected of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suspects(u16);

impl Suspects {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn contains(self, detector: Detector) -> bool {
        self.0 & Self::bit(detector) != 0
    }

    /// Every kind.
    pub(super) fn all() -> Self {
        Self(Detector::ALL.into_iter().map(Self::bit).sum())
    }

    fn bit(detector: Detector) -> u16 {
        1 << detector as u16
    }
}

/// Separators within telephone numbers: space, point, hyphen, brackets, slash, U+00A0, the spaces
/// and dashes of U+2000 to U+202F, U+2212. Kept in step with `detect::phone`.
const PHONE_SEPARATOR: &str =
    r"(?:[ ./()\-]|\xC2\xA0|\xE2\x80[\x80-\x8A\x90-\x95\xAF]|\xE2\x88\x92)";

fn pattern(detector: Detector) -> String {
    match detector {
        Detector::Email => {
            r"[A-Za-z0-9_%+'\-\x80-\xFF]@[A-Za-z0-9\x80-\xFF][A-Za-z0-9.\-\x80-\xFF]*\.[A-Za-z\x80-\xFF]{2}".to_owned()
        }
        Detector::Phone => format!(
            r"\+{PHONE_SEPARATOR}{{0,2}}[1-9](?:{PHONE_SEPARATOR}{{0,3}}[0-9]){{6}}|[2-9][0-9]{{2}}{PHONE_SEPARATOR}{{1,3}}[2-9][0-9]{{2}}{PHONE_SEPARATOR}[0-9]{{4}}"
        ),
        Detector::Ssn => r"[0-9]{3}[ \-][0-9]{2}[ \-][0-9]{4}".to_owned(),
        // Any first digit, though cards begin with few: to know where a run began would take a
        // state for every set of beginnings.
        Detector::CreditCard => r"[0-9](?:[ \-]?[0-9]){12}".to_owned(),
        Detector::Iban => r"[A-Z]{2}[0-9]{2} ?(?:[A-Z0-9]{4} ?){2}[A-Z0-9]{3}".to_owned(),
        Detector::IpAddress => {
            r"[0-9](?:\.[0-9]{1,3}){3}|::[0-9A-Fa-f]|[0-9A-Fa-f]::|(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]".to_owned()
        }
        Detector::AwsAccessKeyId => r"A[KS]IA[A-Z2-7]{8}".to_owned(),
        Detector::PrivateKey => r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY".to_owned(),
        Detector::Jwt => r"eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*\.".to_owned(),
        Detector::GithubToken => {
            r"gh[pousr]_[A-Za-z0-9]{8}|github_pat_[A-Za-z0-9_]{8}".to_owned()
        }
    }
}

/// None when the patterns do not compile: then every kind is suspected everywhere, which is slow
/// and right. A test keeps it from happening.
static PATTERNS: LazyLock<Option<RegexSet>> = LazyLock::new(|| {
    RegexSetBuilder::new(Detector::ALL.map(pattern))
        .unicode(false)
        .dfa_size_limit(8 << 20)
        .build()
        .ok()
});

/// The kinds that the text could hold, in its own form or within canonical JSON.
pub(super) fn suspects(text: &str) -> Suspects {
    let Some(patterns) = PATTERNS.as_ref() else {
        return Suspects::all();
    };
    let hits = patterns.matches(text.as_bytes());
    let mut suspects = 0;
    for hit in &hits {
        suspects |= Suspects::bit(Detector::ALL[hit]);
    }
    let card = Suspects::bit(Detector::CreditCard);
    if suspects & card != 0 && !card::is_possible(text) {
        suspects &= !card;
    }
    Suspects(suspects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_compile() {
        assert!(PATTERNS.is_some());
    }

    #[test]
    fn every_detector_is_the_index_of_its_pattern() {
        for (index, detector) in Detector::ALL.into_iter().enumerate() {
            assert_eq!(detector as usize, index);
        }
    }

    #[test]
    fn a_payload_without_personal_data_is_suspected_of_nothing() {
        let payload = r#"{"at":"2026-07-30T10:20:30.123456Z","id":"0198a3c4-7b1e-7c3d-9e2f-5a6b7c8d9e0f","model":"m-4.5","text":"Größe 12 × 34, 7 °C","tokens":1234}"#;
        assert!(suspects(payload).is_empty());
    }
}
