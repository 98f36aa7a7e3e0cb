//! Findings: what contradicts the evidence, what weakens it, what is worth knowing.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::evidence::json::Json;

/// Findings kept in a report; the rest are counted, so that a broken log cannot fill the memory.
pub const FINDINGS_MAX: usize = 1_000;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    Info,
    Warning,
    Fatal,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Fatal => "FATAL",
        }
    }
}

macro_rules! codes {
    ($($name:ident $text:literal $severity:ident,)*) => {
        /// The codes of evidence.md, section 6.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($name,)* }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    EmptyLog "EMPTY_LOG" Fatal,
    MixedAuthority "MIXED_AUTHORITY" Fatal,
    MissingField "MISSING_FIELD" Fatal,
    SchemaVersionMismatch "SCHEMA_VERSION_MISMATCH" Fatal,
    SessionMismatch "SESSION_MISMATCH" Fatal,
    InvalidCanonicalForm "INVALID_CANONICAL_FORM" Fatal,
    PayloadHashMismatch "PAYLOAD_HASH_MISMATCH" Fatal,
    EventHashMismatch "EVENT_HASH_MISMATCH" Fatal,
    ChainBroken "CHAIN_BROKEN" Fatal,
    InvalidGenesis "INVALID_GENESIS" Fatal,
    SequenceGap "SEQUENCE_GAP" Fatal,
    SequenceDuplicate "SEQUENCE_DUPLICATE" Fatal,
    SequenceOrder "SEQUENCE_ORDER" Fatal,
    InvalidSeal "INVALID_SEAL" Fatal,
    SealCountMismatch "SEAL_COUNT_MISMATCH" Fatal,
    SealDigestMismatch "SEAL_DIGEST_MISMATCH" Fatal,
    SealNotLast "SEAL_NOT_LAST" Fatal,
    SignatureInvalid "SIGNATURE_INVALID" Fatal,
    KeyOutsideValidity "KEY_OUTSIDE_VALIDITY" Fatal,
    RedactionIntegrityViolation "REDACTION_INTEGRITY_VIOLATION" Fatal,
    MetadataMismatch "METADATA_MISMATCH" Fatal,
    AuthorityUnknown "AUTHORITY_UNKNOWN" Fatal,
    ExpectedHeadMismatch "EXPECTED_HEAD_MISMATCH" Fatal,
    ExtraFile "EXTRA_FILE" Fatal,
    MissingFile "MISSING_FILE" Fatal,
    FileHashMismatch "FILE_HASH_MISMATCH" Fatal,
    ManifestHashMismatch "MANIFEST_HASH_MISMATCH" Fatal,
    UnknownField "UNKNOWN_FIELD" Warning,
    LogDropPresent "LOG_DROP_PRESENT" Warning,
    InvalidDropCount "INVALID_DROP_COUNT" Warning,
    UnsealedSession "UNSEALED_SESSION" Warning,
    MissingSessionEnd "MISSING_SESSION_END" Warning,
    TimestampAnomaly "TIMESTAMP_ANOMALY" Warning,
    ExcessiveCumulativeDrops "EXCESSIVE_CUMULATIVE_DROPS" Warning,
    RedactionPresent "REDACTION_PRESENT" Info,
    OpaqueSeal "OPAQUE_SEAL" Info,
    SignerNotEstablished "SIGNER_NOT_ESTABLISHED" Info,
}

impl Code {
    /// Whether the signature is at fault, and not what was signed: exit code 3 instead of 2.
    pub fn concerns_signature(self) -> bool {
        matches!(self, Self::SignatureInvalid | Self::KeyOutsideValidity)
    }

    /// Whether the finding contradicts the records or their chain themselves.
    pub fn breaks_integrity(self) -> bool {
        let another_axis = matches!(
            self,
            Self::ExpectedHeadMismatch
                | Self::RedactionIntegrityViolation
                | Self::ExtraFile
                | Self::MissingFile
                | Self::FileHashMismatch
                | Self::ManifestHashMismatch
        );
        self.severity() == Severity::Fatal && !self.concerns_signature() && !another_axis
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One finding, in the form of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub sequence_number: Option<u64>,
    pub event_id: Option<String>,
    pub message: String,
    pub details: Value,
}

/// The record that a finding is about.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place<'r> {
    pub(super) sequence_number: Option<u64>,
    pub(super) event_id: Option<&'r Json<'r>>,
}

/// How many findings of each code are not kept.
pub(super) type Omitted = BTreeMap<Code, u64>;

/// Findings as they come in, bounded.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    /// Kept ones that a fatal finding may displace.
    kept_not_fatal: usize,
    omitted: Omitted,
    counts: BTreeMap<Code, u64>,
}

impl Findings {
    /// Notes a finding; message and details are only made where they are kept.
    pub(super) fn note(
        &mut self,
        code: Code,
        at: Place<'_>,
        text: impl FnOnce() -> (String, Value),
    ) {
        self.keep(code, || {
            let (message, details) = text();
            Finding {
                code,
                severity: code.severity(),
                sequence_number: at.sequence_number,
                event_id: at.event_id.map(Json::describe),
                message,
                details,
            }
        });
    }

    /// Takes over the findings on a file that lies in the input.
    pub(super) fn adopt(&mut self, file: &str, findings: Vec<Finding>, omitted: &Omitted) {
        for mut finding in findings {
            self.keep(finding.code, || {
                tell(&mut finding, "file", file.into());
                finding
            });
        }
        for (code, count) in omitted {
            *self.counts.entry(*code).or_default() += count;
            *self.omitted.entry(*code).or_default() += count;
        }
    }

    fn keep(&mut self, code: Code, make: impl FnOnce() -> Finding) {
        *self.counts.entry(code).or_default() += 1;
        let fatal = code.severity() == Severity::Fatal;
        if self.kept.len() >= FINDINGS_MAX && !(fatal && self.displace()) {
            *self.omitted.entry(code).or_default() += 1;
            return;
        }
        self.kept_not_fatal += usize::from(!fatal);
        self.kept.push(make());
    }

    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Tells where the findings since `kept` were made.
    pub(super) fn locate_since(&mut self, kept: usize, name: &str, value: &Value) {
        for finding in self.kept.iter_mut().skip(kept) {
            tell(finding, name, value.clone());
        }
    }

    /// Gives up the last finding that is not fatal: a flood of warnings must not hide a contradiction.
    fn displace(&mut self) -> bool {
        if self.kept_not_fatal == 0 {
            return false;
        }
        let Some(at) = self.kept.iter().rposition(|f| f.severity != Severity::Fatal) else {
            return false;
        };
        let displaced = self.kept.remove(at);
        self.kept_not_fatal -= 1;
        *self.omitted.entry(displaced.code).or_default() += 1;
        true
    }

    pub(super) fn count(&self, code: Code) -> u64 {
        self.counts.get(&code).copied().unwrap_or_default()
    }

    pub(super) fn has(&self, code: Code) -> bool {
        self.counts.contains_key(&code)
    }

    pub(super) fn any(&self, test: impl Fn(Code) -> bool) -> bool {
        self.counts.keys().any(|code| test(*code))
    }

    pub(super) fn any_fatal(&self) -> bool {
        self.any(|code| code.severity() == Severity::Fatal)
    }

    /// What is kept, and how many of each code are not.
    pub(super) fn into_parts(self) -> (Vec<Finding>, Omitted) {
        (self.kept, self.omitted)
    }
}

/// Adds to the details of a finding; what it says already stays.
fn tell(finding: &mut Finding, name: &str, value: Value) {
    if let Some(details) = finding.details.as_object_mut() {
        details.entry(name).or_insert(value);
    }
}
