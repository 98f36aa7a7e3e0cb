//! Evidence classes (evidence.md, section 5).

use serde::{Deserialize, Serialize};

use super::record::ChainAuthority;

/// What a valid chain may be called. Evidence that fails verification has no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EvidenceClass {
    #[serde(rename = "AUTHORITATIVE_EVIDENCE")]
    Authoritative,
    #[serde(rename = "PARTIAL_AUTHORITATIVE_EVIDENCE")]
    Partial,
    #[serde(rename = "NON_AUTHORITATIVE_EVIDENCE")]
    NonAuthoritative,
}

/// Why evidence is partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PartialReason {
    UnsealedSession,
    MissingSessionEnd,
    LogDropPresent,
}

/// The facts about a valid chain that its class rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassFacts {
    pub authority: ChainAuthority,
    pub sealed: bool,
    pub has_session_end: bool,
    pub has_log_drop: bool,
}

impl ClassFacts {
    pub fn class(&self) -> EvidenceClass {
        match self.authority {
            ChainAuthority::Sdk => EvidenceClass::NonAuthoritative,
            ChainAuthority::Server if self.partial_reasons().is_empty() => {
                EvidenceClass::Authoritative
            }
            ChainAuthority::Server => EvidenceClass::Partial,
        }
    }

    /// All reasons that apply; none for an `sdk` chain, which is not partial but another class.
    pub fn partial_reasons(&self) -> Vec<PartialReason> {
        if self.authority == ChainAuthority::Sdk {
            return Vec::new();
        }
        let reasons = [
            (!self.sealed, PartialReason::UnsealedSession),
            (!self.has_session_end, PartialReason::MissingSessionEnd),
            (self.has_log_drop, PartialReason::LogDropPresent),
        ];
        reasons.into_iter().filter_map(|(applies, reason)| applies.then_some(reason)).collect()
    }
}

impl EvidenceClass {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authoritative => "AUTHORITATIVE_EVIDENCE",
            Self::Partial => "PARTIAL_AUTHORITATIVE_EVIDENCE",
            Self::NonAuthoritative => "NON_AUTHORITATIVE_EVIDENCE",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Authoritative, Self::Partial, Self::NonAuthoritative]
            .into_iter()
            .find(|class| class.as_str() == text)
    }
}

impl PartialReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnsealedSession => "UNSEALED_SESSION",
            Self::MissingSessionEnd => "MISSING_SESSION_END",
            Self::LogDropPresent => "LOG_DROP_PRESENT",
        }
    }
}
