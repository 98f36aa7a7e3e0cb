//! A JSON export as the renderer reads it: its members, and its records one by one.
//!
//! Records are verified and counted while they go by, and few are kept, so that memory depends on
//! what is printed. What the export says of itself is printed as its claim; the verdict is ours.

use domain::evidence::dsse::Envelope;
use domain::evidence::jwk::JwkSet;
use domain::evidence::verify::{Format, LogVerifier, Options, Report};
use domain::hash::Hash;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::RenderError;
use super::timeline::Timeline;
use crate::pdf_attachments::EXPORT_BYTES_MAX;

/// The one schema of exports that is printed.
const SCHEMA: &str = "exhibit-export/1";

/// Rows of each table of the document; the JSON has them all.
pub(super) const ROWS_MAX: usize = 300;
/// Violations that are printed in full.
pub(super) const VIOLATIONS_MAX: usize = 60;
/// Policies whose text is printed.
pub(super) const POLICIES_MAX: usize = 40;

/// What the document is made of.
pub(super) struct Export<'e> {
    pub(super) sha256: String,
    pub(super) bytes: usize,
    pub(super) members: Members<'e>,
    pub(super) envelope: Option<Envelope>,
    pub(super) keys: JwkSet,
    pub(super) timeline: Timeline,
    /// Recomputed from the records, with the keys that came with the call.
    pub(super) report: Report,
}

/// The members that are printed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Members<'e> {
    /// As they stand in the text.
    #[serde(borrow)]
    events: Option<&'e RawValue>,
    pub(super) schema: String,
    pub(super) exported_at: String,
    pub(super) exported_by: String,
    pub(super) purpose: String,
    pub(super) evidence_class: Option<String>,
    pub(super) verification: Value,
    pub(super) session: Value,
    pub(super) seal: Value,
    pub(super) pii: PersonalData,
    pub(super) policies: Kept<Value, POLICIES_MAX>,
    pub(super) tool_access: Kept<Value, ROWS_MAX>,
    pub(super) violations: Kept<Value, VIOLATIONS_MAX>,
    pub(super) chain_of_custody: Kept<Value, ROWS_MAX>,
}

/// What was looked for, and where it was found.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PersonalData {
    pub(super) detectors_run: Vec<String>,
    pub(super) detectors_not_run: Vec<String>,
    pub(super) matches: Kept<Value, ROWS_MAX>,
}

/// The first of a list, and how many there are.
#[derive(Debug)]
pub(super) struct Kept<T, const MAX: usize> {
    pub(super) items: Vec<T>,
    pub(super) total: usize,
}

impl<T, const MAX: usize> Kept<T, MAX> {
    pub(super) fn left_out(&self) -> usize {
        self.total - self.items.len()
    }
}

impl<T, const MAX: usize> Default for Kept<T, MAX> {
    fn default() -> Self {
        Self { items: Vec::new(), total: 0 }
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Kept<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self::default())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Kept<T, MAX> {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while self.items.len() < MAX {
            let Some(item) = list.next_element()? else { return Ok(self) };
            self.items.push(item);
            self.total += 1;
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            self.total += 1;
        }
        Ok(self)
    }
}

/// Takes the records of the array as they stand in the text.
struct Records<F>(F);

impl<'de, F: FnMut(&'de str)> Visitor<'de> for Records<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(record) = list.next_element::<&'de RawValue>()? {
            (self.0)(record.get());
        }
        Ok(())
    }
}

impl<'e> Export<'e> {
    pub(super) fn read(export: &'e [u8], jwks: &[u8]) -> Result<Self, RenderError> {
        if export.len() > EXPORT_BYTES_MAX {
            return Err(RenderError::unreadable("the export is too large for a document"));
        }
        let members: Members<'_> =
            serde_json::from_slice(export).map_err(RenderError::unreadable)?;
        if members.schema != SCHEMA {
            return Err(RenderError::unreadable("the schema of the export is not known"));
        }
        let keys = read_keys(jwks)?;
        let envelope = serde_json::from_value(members.seal["envelope"].clone()).ok();
        let options = Options { keys: Some(&keys), expected_head: None, seal: envelope.as_ref() };
        let mut verifier = LogVerifier::new(&options);
        let mut timeline = Timeline::default();
        let each = |record: &str| {
            verifier.push_line(record.as_bytes());
            timeline.push(record);
        };
        let events = members.events.ok_or_else(|| RenderError::unreadable("no events"))?;
        serde_json::Deserializer::from_str(events.get())
            .deserialize_seq(Records(each))
            .map_err(RenderError::unreadable)?;
        let report = verifier.finish("export", Format::ExportJson);
        Ok(Self {
            sha256: Hash::of(export).to_string(),
            bytes: export.len(),
            members,
            envelope,
            keys,
            timeline,
            report,
        })
    }

    pub(super) fn session(&self, member: &str) -> &str {
        text(&self.members.session, member)
    }

    pub(super) fn session_id(&self) -> &str {
        self.session("session_id")
    }
}

/// Keys of kinds that are not understood are passed over (RFC 7517, section 5).
fn read_keys(jwks: &[u8]) -> Result<JwkSet, RenderError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(jwks).map_err(RenderError::unreadable)?;
    let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
    Ok(JwkSet { keys: keys.collect() })
}

/// A member that is a text, or nothing.
pub(super) fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

/// Any value as a reader expects it: texts without quotes, a dash for nothing.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) if text.is_empty() => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// The beginning of a hash, for tables.
pub(super) fn short(hash: &str) -> String {
    hash.trim_start_matches("sha256:").chars().take(12).collect()
}
