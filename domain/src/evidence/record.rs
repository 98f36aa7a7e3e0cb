//! The stored event, its hashes and its canonical forms.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::canonical::{write_integer, write_number, write_string};
use super::event_type::EventType;
use crate::hash::Hash;
use crate::ids::SessionId;

/// Who computes the chain of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainAuthority {
    Server,
    Sdk,
}

impl ChainAuthority {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Sdk => "sdk",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "server" => Some(Self::Server),
            "sdk" => Some(Self::Sdk),
            _ => None,
        }
    }
}

/// Version of the event's envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum SchemaVersion {
    #[serde(rename = "v0.5")]
    V05,
    #[default]
    #[serde(rename = "v0.6")]
    V06,
}

impl SchemaVersion {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V05 => "v0.5",
            Self::V06 => "v0.6",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "v0.5" => Some(Self::V05),
            "v0.6" => Some(Self::V06),
            _ => None,
        }
    }
}

/// What a client says of one event, checked; nothing in it was changed on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct EventBody {
    pub event_id: Uuid,
    pub sequence_number: u64,
    /// RFC 3339, byte for byte as it was sent.
    pub timestamp_wall: String,
    pub event_type: EventType,
    /// Canonical JSON text of the payload object.
    pub payload: String,
    /// SHA-256 of `payload`.
    pub payload_hash: Hash,
    pub timestamp_monotonic: Option<f64>,
    pub source_sdk_ver: Option<String>,
    pub schema_ver: SchemaVersion,
    pub actor_id: Option<String>,
}

/// An event in its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Shared with the request that brought it.
    pub body: Arc<EventBody>,
    pub prev_event_hash: Option<Hash>,
    pub event_hash: Hash,
    /// When the server took it, UTC with microseconds.
    pub received_at: DateTime<Utc>,
}

/// What all records of a session share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainContext {
    pub session_id: SessionId,
    pub authority: ChainAuthority,
}

/// `hmac-sha256:<kid>:<hex>` over the raw event hash (evidence.md, section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceSignature {
    pub kid: String,
    pub mac: Hash,
}

impl EvidenceSignature {
    pub fn new(kid: &str, key: &[u8], event_hash: &Hash) -> Self {
        Self { kid: kid.to_owned(), mac: evidence_mac(key, event_hash) }
    }
}

/// HMAC-SHA-256 over the 32 raw bytes of an event hash.
pub fn evidence_mac(key: &[u8], event_hash: &Hash) -> Hash {
    // HMAC takes keys of any length (RFC 2104, section 3), so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Hash([0; 32]) };
    mac.update(&event_hash.0);
    Hash(mac.finalize().into_bytes().into())
}

impl Record {
    /// Places an event behind the one whose hash is `prev`.
    pub fn chain(
        body: impl Into<Arc<EventBody>>,
        session_id: SessionId,
        prev: Option<Hash>,
        received_at: DateTime<Utc>,
    ) -> Self {
        let body = body.into();
        let event_hash = event_hash(&HashedFields {
            event_id: body.event_id.hyphenated().encode_lower(&mut Uuid::encode_buffer()),
            event_type: body.event_type.as_str(),
            payload_hash: &body.payload_hash,
            prev_event_hash: prev.as_ref(),
            sequence_number: body.sequence_number,
            session_id: &session_id.to_string(),
            timestamp_wall: &body.timestamp_wall,
        });
        Self { body, prev_event_hash: prev, event_hash, received_at }
    }

    /// Canonical form of the record without `payload` and `signature`: the Merkle leaf.
    pub fn write_leaf(&self, context: &ChainContext, out: &mut Vec<u8>) {
        self.write(context, false, None, out);
    }

    /// Canonical form of the whole record, as it is served and exported.
    pub fn write_full(
        &self,
        context: &ChainContext,
        signature: Option<&EvidenceSignature>,
        out: &mut Vec<u8>,
    ) {
        self.write(context, true, signature, out);
    }

    /// Members in the order of their names.
    fn write(
        &self,
        context: &ChainContext,
        payload: bool,
        signature: Option<&EvidenceSignature>,
        out: &mut Vec<u8>,
    ) {
        let body = &self.body;
        out.push(b'{');
        if let Some(actor) = &body.actor_id {
            out.extend_from_slice(b"\"actor_id\":");
            write_string(actor, out);
            out.push(b',');
        }
        out.extend_from_slice(b"\"chain_authority\":\"");
        out.extend_from_slice(context.authority.as_str().as_bytes());
        out.extend_from_slice(b"\",\"event_hash\":\"");
        out.extend_from_slice(&self.event_hash.hex());
        out.extend_from_slice(b"\",\"event_id\":\"");
        push_uuid(body.event_id, out);
        out.extend_from_slice(b"\",\"event_type\":\"");
        out.extend_from_slice(body.event_type.as_str().as_bytes());
        out.push(b'"');
        if payload {
            out.extend_from_slice(b",\"payload\":");
            out.extend_from_slice(body.payload.as_bytes());
        }
        out.extend_from_slice(b",\"payload_hash\":\"");
        out.extend_from_slice(&body.payload_hash.hex());
        out.extend_from_slice(b"\",\"prev_event_hash\":");
        write_optional_hash(self.prev_event_hash.as_ref(), out);
        out.extend_from_slice(b",\"received_at\":\"");
        out.extend_from_slice(format_micros(self.received_at).as_bytes());
        out.extend_from_slice(b"\",\"schema_ver\":\"");
        out.extend_from_slice(body.schema_ver.as_str().as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        write_integer(body.sequence_number, out);
        out.extend_from_slice(b",\"session_id\":\"");
        push_uuid(context.session_id.0, out);
        out.push(b'"');
        if let Some(signature) = signature {
            out.extend_from_slice(b",\"signature\":\"hmac-sha256:");
            out.extend_from_slice(signature.kid.as_bytes());
            out.push(b':');
            out.extend_from_slice(&signature.mac.hex());
            out.push(b'"');
        }
        if let Some(version) = &body.source_sdk_ver {
            out.extend_from_slice(b",\"source_sdk_ver\":");
            write_string(version, out);
        }
        if let Some(seconds) = body.timestamp_monotonic {
            out.extend_from_slice(b",\"timestamp_monotonic\":");
            write_number(seconds, out);
        }
        out.extend_from_slice(b",\"timestamp_wall\":");
        write_string(&body.timestamp_wall, out);
        out.push(b'}');
    }
}

/// The seven members that an event hash covers (evidence.md, section 2).
#[derive(Debug)]
pub struct HashedFields<'a> {
    pub event_id: &'a str,
    pub event_type: &'a str,
    pub payload_hash: &'a Hash,
    pub prev_event_hash: Option<&'a Hash>,
    pub sequence_number: u64,
    pub session_id: &'a str,
    pub timestamp_wall: &'a str,
}

/// SHA-256 over the canonical form of the seven members.
pub fn event_hash(fields: &HashedFields<'_>) -> Hash {
    let mut text = Vec::with_capacity(420);
    text.extend_from_slice(b"{\"event_id\":");
    write_string(fields.event_id, &mut text);
    text.extend_from_slice(b",\"event_type\":");
    write_string(fields.event_type, &mut text);
    text.extend_from_slice(b",\"payload_hash\":\"");
    text.extend_from_slice(&fields.payload_hash.hex());
    text.extend_from_slice(b"\",\"prev_event_hash\":");
    write_optional_hash(fields.prev_event_hash, &mut text);
    text.extend_from_slice(b",\"sequence_number\":");
    write_integer(fields.sequence_number, &mut text);
    text.extend_from_slice(b",\"session_id\":");
    write_string(fields.session_id, &mut text);
    text.extend_from_slice(b",\"timestamp_wall\":");
    write_string(fields.timestamp_wall, &mut text);
    text.push(b'}');
    Hash::of(&text)
}

/// RFC 3339 in UTC with microseconds and `Z`.
pub fn format_micros(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// RFC 3339 in UTC with milliseconds and `Z`.
pub fn format_millis(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn push_uuid(id: Uuid, out: &mut Vec<u8>) {
    out.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
}

fn write_optional_hash(hash: Option<&Hash>, out: &mut Vec<u8>) {
    match hash {
        Some(hash) => {
            out.push(b'"');
            out.extend_from_slice(&hash.hex());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}
