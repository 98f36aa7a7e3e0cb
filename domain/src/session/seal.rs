//! Closing a chain: the `CHAIN_SEAL` event and the statement that is signed over it.
//!
//! Two steps, because a signature may come from another machine: [`Session::prepare_seal`] makes the
//! event and the bytes to sign, the `Seal` command brings both back and finds the chain unmoved.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Phase, Session, SessionError, SessionEvent, SessionSealed};
use crate::evidence::canonical;
use crate::evidence::class::{EvidenceClass, PartialReason};
use crate::evidence::dsse::Envelope;
use crate::evidence::event_type::EventType;
use crate::evidence::record::{ChainAuthority, EventBody, Record, SchemaVersion, format_millis};
use crate::evidence::refusal::Refusal;
use crate::evidence::seal::{Seal, seal_statement};
use crate::hash::Hash;
use crate::ids::TenantId;

/// What was found by reading the stored chain from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealFacts {
    pub tenant_id: TenantId,
    pub ingestion_service_id: String,
    /// Merkle tree hash over the records.
    pub session_digest: Hash,
    pub event_count: u64,
    pub final_event_hash: Hash,
    pub policy_set_digest: String,
    /// Of the last event of any policy.
    pub policies_position: u64,
    pub event_id: Uuid,
    /// The client knows that there is no `SESSION_END`.
    pub incomplete: bool,
    pub at: DateTime<Utc>,
}

/// A seal that waits for its signature.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedSeal {
    pub record: Record,
    pub seal: Seal,
    pub evidence_class: EvidenceClass,
    pub partial_reasons: Vec<PartialReason>,
    /// The bytes to sign, as a DSSE payload.
    pub statement: Vec<u8>,
    pub policies_position: u64,
    pub at: DateTime<Utc>,
}

impl Session {
    /// Whether the session may be sealed, before its records are read for it.
    pub fn check_sealable(&self, incomplete: bool) -> Result<(), SessionError> {
        let chain = self.chain()?;
        if chain.next_sequence == 0 {
            return Err(SessionError::Empty);
        }
        if chain.authority == ChainAuthority::Server && !chain.has_session_end && !incomplete {
            return Err(SessionError::Incomplete);
        }
        Ok(())
    }

    /// The `CHAIN_SEAL` record and the statement to sign. The facts must agree with the state.
    pub fn prepare_seal(&self, facts: SealFacts) -> Result<PreparedSeal, SessionError> {
        self.check_sealable(facts.incomplete)?;
        let chain = self.chain()?;
        let agree = facts.event_count == chain.next_sequence
            && Some(facts.final_event_hash) == chain.head_hash
            && self.phase != Phase::Sealed;
        if !agree {
            return Err(SessionError::Moved);
        }
        let class = chain.facts(true);
        let seal = Seal {
            ingestion_service_id: facts.ingestion_service_id,
            seal_timestamp: format_millis(facts.at),
            session_digest: format!("sha256:{}", facts.session_digest),
            final_event_hash: facts.final_event_hash,
            event_count: facts.event_count,
            total_drops: chain.total_drops,
            evidence_class: class.class(),
            policy_set_digest: facts.policy_set_digest,
        };
        let payload = canonical::of_serde(&seal).map_err(|_| SessionError::Moved)?;
        let payload = String::from_utf8_lossy(&payload).into_owned();
        let body = EventBody {
            event_id: facts.event_id,
            sequence_number: chain.next_sequence,
            timestamp_wall: seal.seal_timestamp.clone(),
            event_type: EventType::CHAIN_SEAL,
            payload_hash: canonical::payload_hash(payload.as_bytes()),
            payload,
            timestamp_monotonic: None,
            source_sdk_ver: None,
            schema_ver: SchemaVersion::V06,
            actor_id: None,
        };
        let record = Record::chain(body, chain.session_id, chain.head_hash, facts.at);
        let statement = seal_statement(
            facts.tenant_id,
            chain.session_id,
            chain.authority,
            &record.event_hash,
            &record.body.payload,
        );
        Ok(PreparedSeal {
            record,
            seal,
            evidence_class: class.class(),
            partial_reasons: class.partial_reasons(),
            statement,
            policies_position: facts.policies_position,
            at: facts.at,
        })
    }

    /// Sealing twice changes nothing; a chain that grew since the preparation is not sealed.
    pub(super) fn seal(
        &self,
        prepared: PreparedSeal,
        envelope: Envelope,
        reason: Option<String>,
    ) -> Result<Vec<SessionEvent>, SessionError> {
        let chain = self.chain()?;
        if self.phase == Phase::Sealed {
            return Ok(vec![]);
        }
        let body = &prepared.record.body;
        let unmoved = body.sequence_number == chain.next_sequence
            && prepared.record.prev_event_hash == chain.head_hash;
        if !unmoved {
            return Err(SessionError::Moved);
        }
        Ok(vec![SessionEvent::Sealed(Box::new(SessionSealed {
            sequence_number: body.sequence_number,
            seal_event_hash: prepared.record.event_hash,
            seal: prepared.seal,
            evidence_class: prepared.evidence_class,
            partial_reasons: prepared.partial_reasons,
            envelope,
            reason,
            at: prepared.at,
            record: Some(Arc::new(prepared.record)),
            policies_position: prepared.policies_position,
        }))])
    }

    /// The refusal of an append to a session that does not exist.
    pub fn not_found(session_id: crate::ids::SessionId) -> SessionError {
        SessionError::Refused(Refusal::SessionNotFound { session_id }.whole())
    }
}
