//! What all records of one log share: session, authority, envelope version.

use serde_json::json;

use super::fields::{Field, Fields};
use super::finding::{Code, Findings};
use crate::evidence::json::Json;
use crate::evidence::record::{ChainAuthority, SchemaVersion};

/// As the first record that says it, says it.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) session_id: Option<String>,
    pub(super) authority: Option<String>,
}

impl Context {
    /// The authority, if it is one that the contract knows.
    pub(super) fn known_authority(&self) -> Option<ChainAuthority> {
        self.authority.as_deref().and_then(ChainAuthority::parse)
    }

    pub(super) fn check(&mut self, fields: &Fields<'_>, findings: &mut Findings) {
        let at = fields.place();
        if let Some(session) = fields.text(Field::SessionId)
            && let Some(expected) = differs(&mut self.session_id, session)
        {
            findings.note(Code::SessionMismatch, at, || {
                let message = "The record belongs to another session.".to_owned();
                (message, json!({ "expected": brief(expected), "received": brief(session) }))
            });
        }
        if let Some(authority) = fields.text(Field::ChainAuthority) {
            if ChainAuthority::parse(authority).is_none() {
                findings.note(Code::AuthorityUnknown, at, || {
                    let message = "chain_authority is neither server nor sdk.".to_owned();
                    (message, json!({ "received": brief(authority) }))
                });
            }
            if let Some(expected) = differs(&mut self.authority, authority) {
                findings.note(Code::MixedAuthority, at, || {
                    let message = "Two authorities have written one chain.".to_owned();
                    (message, json!({ "expected": brief(expected), "received": brief(authority) }))
                });
            }
        }
        Self::check_version(fields, findings);
    }

    /// A record without `schema_ver` has the default. Both versions may stand in one log: the seal is
    /// the server's, the events are their senders'.
    fn check_version(fields: &Fields<'_>, findings: &mut Findings) {
        let Some(value) = fields.get(Field::SchemaVer) else { return };
        if value.as_str().and_then(SchemaVersion::parse).is_none() {
            findings.note(Code::SchemaVersionMismatch, fields.place(), || {
                let message = "schema_ver is none that this verifier knows.".to_owned();
                (message, json!({ "expected": "v0.5|v0.6", "received": value.describe() }))
            });
        }
    }
}

/// Remembers the first text; of a later one that differs, returns the first.
fn differs<'c>(first: &'c mut Option<String>, text: &str) -> Option<&'c str> {
    let first = first.get_or_insert_with(|| text.to_owned()).as_str();
    (first != text).then_some(first)
}

/// A text shortened for a report.
pub(super) fn brief(text: &str) -> String {
    Json::String(text.into()).describe()
}
