//! The door through which a document becomes a policy, and where it is refused.
//!
//! First its canonical form, then the published schema, then what no schema can say.

use std::collections::HashSet;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::compile;
use super::complaint;
use super::document::{Control, Document};
pub use super::fault::Fault;
use super::fault::shorten;
use super::limits::{DOCUMENT_BYTES_MAX, FAULTS_MAX};
use super::schema::{self, AGENT_TYPES};
use crate::evidence::canonical::{self, CanonicalError};
use crate::evidence::json::{self, DEPTH_MAX};
use crate::hash::Hash;

/// Control ids that the engine gives to what it finds itself; no document may take them.
pub const RESERVED_CONTROLS: [&str; 3] = ["pii", "max_events_per_session", "require_tool_results"];
/// Names of policies that are addresses of something else.
pub const RESERVED_NAMES: [&str; 4] = ["schema", "validate", "documents", "backtests"];

/// A document that was found in order, with the hash that every violation and seal names.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub document: Document,
    /// `sha256:` with the SHA-256 of `canonical`.
    pub content_hash: String,
    /// JCS of the document as it was given.
    pub canonical: String,
}

/// The published JSON Schema (draft 2020-12), pretty-printed.
pub fn schema() -> &'static str {
    schema::TEXT
}

/// None only if the published file were no schema, which a test rules out; then nothing is valid.
static VALIDATOR: LazyLock<Option<Validator>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(schema::TEXT).ok()?;
    jsonschema::draft202012::new(&schema).ok()
});

impl Policy {
    /// Checks a document; all that is wrong with it comes back at once, at most 50 faults.
    pub fn read(document: &Value) -> Result<Self, Vec<Fault>> {
        let text = serde_json::to_vec(document)
            .map_err(|_| vec![Fault::new("", "the document does not serialise")])?;
        Self::read_text(&text)
    }

    /// Reads what [`Self::canonical`] holds, or any other JSON text of a document.
    pub fn from_canonical(text: &str) -> Result<Self, Vec<Fault>> {
        Self::read_text(text.as_bytes())
    }

    fn read_text(text: &[u8]) -> Result<Self, Vec<Fault>> {
        let canonical = canonical_text(text).map_err(|fault| vec![fault])?;
        // Read from the canonical text: `24.0` is 24 there, and what is stored reads back alike.
        let value: Value = serde_json::from_str(&canonical).map_err(|error| unreadable(&error))?;
        let faults = against_schema(&value);
        if !faults.is_empty() {
            return Err(faults);
        }
        let document: Document =
            serde_json::from_value(value).map_err(|error| unreadable(&error))?;
        let mut faults = meaning(&document);
        faults.extend(compile::compile(&document).err().unwrap_or_default());
        if !faults.is_empty() {
            faults.truncate(FAULTS_MAX);
            return Err(faults);
        }
        let content_hash = format!("sha256:{}", Hash::of(canonical.as_bytes()));
        Ok(Self { document, content_hash, canonical })
    }
}

fn canonical_text(text: &[u8]) -> Result<String, Fault> {
    let too_long = || {
        let message =
            format!("a document has at most {DOCUMENT_BYTES_MAX} bytes in canonical form");
        Fault::new("", message)
    };
    let read = json::parse(text, DEPTH_MAX)
        .map_err(|error| Fault::new("", CanonicalError::from(error).to_string()))?;
    // A NUL among them: a database that stores the document as text cannot carry it.
    if let Some(flaw) = read.flaws.first() {
        let message = format!("this cannot be carried faithfully: {}", flaw.kind.reason());
        return Err(Fault::new(flaw.pointer(), message));
    }
    let canonical = canonical::to_canonical(&read.root);
    if canonical.len() > DOCUMENT_BYTES_MAX {
        return Err(too_long());
    }
    String::from_utf8(canonical).map_err(|_| Fault::new("", "the document is not UTF-8"))
}

fn unreadable(error: &serde_json::Error) -> Vec<Fault> {
    vec![Fault::new("", shorten(&error.to_string()))]
}

fn against_schema(value: &Value) -> Vec<Fault> {
    let Some(validator) = &*VALIDATOR else {
        return vec![Fault::new("", "the published schema cannot be used")];
    };
    let mut faults = Vec::new();
    for error in validator.iter_errors(value) {
        if faults.len() >= FAULTS_MAX {
            break;
        }
        for fault in complaint::faults(&error) {
            if faults.len() < FAULTS_MAX && !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
    faults
}

/// What a schema cannot say, but for what compiling finds.
fn meaning(document: &Document) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, name) in document.applies_to.iter().flatten().enumerate() {
        if let Some(prefix) = name.strip_suffix('*') {
            let of_agents = prefix.starts_with(|c: char| c.is_ascii_uppercase());
            if of_agents && !AGENT_TYPES.iter().any(|name| name.starts_with(prefix)) {
                let message = format!("no event type begins with {}", shorten(prefix));
                faults.push(Fault::new(format!("/applies_to/{at}"), message));
            }
        }
    }
    if let Some(decision) = document.decision {
        if decision.quarantine < decision.review {
            faults.push(Fault::new("/decision/quarantine", "quarantine is at least review"));
        }
        if decision.reject < decision.quarantine {
            faults.push(Fault::new("/decision/reject", "reject is at least quarantine"));
        }
    }
    if RESERVED_NAMES.contains(&document.name.as_str()) {
        let message = format!("{} is an address under /v1/policies", document.name);
        faults.push(Fault::new("/name", message));
    }
    let mut ids = HashSet::new();
    for (at, control) in document.controls.iter().enumerate() {
        let pointer = format!("/controls/{at}/id");
        if RESERVED_CONTROLS.contains(&control.id.as_str()) {
            let message = format!("{} is a name that the engine uses itself", control.id);
            faults.push(Fault::new(pointer, message));
        } else if !ids.insert(control.id.as_str()) {
            let message = format!("another control has the id {}", shorten(&control.id));
            faults.push(Fault::new(pointer, message));
        }
        rule_ids(control, at, &mut faults);
    }
    faults
}

fn rule_ids(control: &Control, at: usize, faults: &mut Vec<Fault>) {
    let mut ids = HashSet::new();
    for (number, rule) in control.rules.iter().enumerate() {
        if !ids.insert(rule.id.as_str()) {
            let message = format!("another rule of this control has the id {}", shorten(&rule.id));
            faults.push(Fault::new(format!("/controls/{at}/rules/{number}/id"), message));
        }
    }
}
