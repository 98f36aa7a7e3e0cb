//! Personal data and secrets in payloads: found by type and place, never repeated.
//!
//! A payload goes once through one [`prefilter`]; most hold nothing and are done. Only the kinds
//! that it suspects are looked for precisely, in the decoded strings, keys and numbers of the tree.
//! A [`Finding`] says what kind stands where and how often. It never holds the text itself: a key
//! that is personal data stands masked in every pointer through it.
//!
//! What is deliberately not found: bare digit runs as telephone or social security numbers, national
//! telephone numbers outside North America or grouped by spaces only, loopback and unspecified IP
//! addresses, and anything that is encoded once more (percent, base64, HTML entities).

mod detect;
mod detector;
mod pointer;
mod prefilter;
mod spans;
#[cfg(test)]
mod tests;
mod walk;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use self::detect::phone::Checks;
pub use self::detector::Detector;
use crate::evidence::json::{self, DEPTH_MAX, Json};

/// Places kept of one payload. Each kind that occurs keeps one at least; what is found beyond is
/// counted at the last place of its kind.
pub const FINDINGS_MAX: usize = 64;

/// One kind at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub detector: Detector,
    /// RFC 6901 within the payload, cut after 512 bytes; keys that are personal data stand masked.
    pub pointer: String,
    pub count: u32,
}

/// What the payload of an event (its canonical JSON text) holds, sorted by pointer, then detector;
/// at most [`FINDINGS_MAX`] places.
///
/// A text that is not JSON is taken for one string.
pub fn scan(payload: &str) -> Vec<Finding> {
    let suspects = prefilter::suspects(payload);
    if suspects.is_empty() {
        return Vec::new();
    }
    match json::parse(payload.as_bytes(), DEPTH_MAX) {
        Ok(document) => walk::findings(&document.root, suspects),
        Err(_) => walk::findings(&Json::String(Cow::Borrowed(payload)), suspects),
    }
}

/// The same over a payload that was parsed already: the prefilter reads the text, the rest the tree.
pub fn scan_parsed(payload: &str, tree: &Json<'_>) -> Vec<Finding> {
    let suspects = prefilter::suspects(payload);
    if suspects.is_empty() {
        return Vec::new();
    }
    walk::findings(tree, suspects)
}

/// The text with every match of any detector replaced by `[<detector>]`, e.g. `[email]`; borrowed
/// when there is none.
///
/// Made for plain text. Of a JSON text it masks what stands in its strings, but not what follows an
/// escaped control character (`\u0001`) without anything between.
pub fn mask(text: &str) -> Cow<'_, str> {
    let suspects = prefilter::suspects(text);
    if suspects.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut checks = Checks::default();
    let found = spans::find(text, suspects, &mut checks);
    spans::mask(text, &found, suspects, &mut checks)
}
