//! From the bytes of a request to events that may be chained, or to the first refusal.
//!
//! Stages as in evidence.md, section 3: JSON, authority leak, schema, timestamp, canonical form,
//! payload hash. A batch answers with its earliest failing stage, then its earliest event.

use std::sync::Arc;

use chrono::{DateTime, Datelike};

use super::canonical;
use super::event_type::EventType;
use super::json::{self, DEPTH_MAX, Flaw, Json};
use super::record::{ChainAuthority, EventBody, SchemaVersion};
use super::refusal::{IngestRefusal, Refusal, SchemaComplaint};
use crate::hash::Hash;
use crate::ids::{SessionId, parse_uuid};

/// How the events stand in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// One event, or `{"events": [...]}`.
    Json,
    /// One event a line.
    NdJson,
}

/// What the body is read against.
#[derive(Debug, Clone, Copy)]
pub struct Intake {
    pub session_id: SessionId,
    pub authority: ChainAuthority,
    pub batch_events_max: usize,
    pub event_bytes_max: usize,
}

/// An event that passed every check which needs no session.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingEvent {
    pub body: Arc<EventBody>,
    /// `dropped_count` of a `LOG_DROP`, else 0.
    pub dropped: u64,
    /// The chain as an SDK computed it; `None` in a `server` session.
    pub claimed: Option<ClaimedChain>,
}

/// Hashes that an SDK sends and that the server checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedChain {
    pub prev_event_hash: Option<Hash>,
    pub event_hash: Hash,
}

const ACTOR_CHARS_MAX: usize = 256;
const SDK_VERSION_CHARS_MAX: usize = 64;
const TIMESTAMP_CHARS_MAX: usize = 64;
/// Names of unknown fields that a refusal repeats.
const UNEXPECTED_SHOWN_MAX: usize = 16;
/// `{"events": [` stands around an event, and the event around its payload.
const BATCH_DEPTH_MAX: usize = DEPTH_MAX + 3;
const EVENT_DEPTH_MAX: usize = DEPTH_MAX + 1;

/// The order in which complaints about events answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Size,
    AuthorityLeak,
    Schema,
    Timestamp,
    Canonical,
    PayloadHash,
}

impl Intake {
    /// Reads all events of a body, or says why it is refused.
    pub fn read(&self, body: &[u8], form: BodyForm) -> Result<Vec<IncomingEvent>, IngestRefusal> {
        match form {
            BodyForm::Json => self.read_json(body),
            BodyForm::NdJson => self.read_ndjson(body),
        }
    }

    fn read_json(&self, body: &[u8]) -> Result<Vec<IncomingEvent>, IngestRefusal> {
        let read = |depth| json::parse(body, depth).map_err(|e| not_json(&e, 0).whole());
        let mut document = read(BATCH_DEPTH_MAX)?;
        let Some(events) = document.root.get("events") else {
            // A lone event stands two levels higher: what lies between the limits is too deep.
            if document.depth > EVENT_DEPTH_MAX {
                document = read(EVENT_DEPTH_MAX)?;
            }
            let event = Candidate { json: &document.root, flaw: document.flaws.first(), above: 0 };
            return self.check_all(std::iter::once(event), body.len());
        };
        let Json::Array(events) = events else {
            return Err(events_expected(&events.describe()).whole());
        };
        self.check_batch_shape(&document.root, events.len())?;
        let whole = document.flaws.iter().find(|flaw| flaw.index_at(1).is_none());
        let candidates = events.iter().enumerate().map(|(index, json)| {
            let own = document.flaws.iter().find(|flaw| flaw.index_at(1) == Some(index));
            Candidate { json, flaw: own.or(whole), above: if own.is_some() { 2 } else { 0 } }
        });
        self.check_all(candidates, body.len())
    }

    fn check_batch_shape(&self, root: &Json<'_>, count: usize) -> Result<(), IngestRefusal> {
        self.check_count(count)?;
        if count == 0 {
            return Err(events_expected("empty array").whole());
        }
        let unexpected = unexpected_fields(root, &["events"]);
        if !unexpected.is_empty() {
            let complaint = SchemaComplaint::Fields { missing: Vec::new(), unexpected };
            return Err(Refusal::Schema(complaint).whole());
        }
        Ok(())
    }

    fn check_count(&self, count: usize) -> Result<(), IngestRefusal> {
        if count > self.batch_events_max {
            let (limit, received) = (self.batch_events_max as u64, count as u64);
            return Err(Refusal::TooLarge { what: "batch in events", limit, received }.whole());
        }
        Ok(())
    }

    fn read_ndjson(&self, body: &[u8]) -> Result<Vec<IncomingEvent>, IngestRefusal> {
        let lines = body
            .split(|&b| b == b'\n')
            .enumerate()
            .filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
        self.check_count(lines.clone().count())?;
        let mut documents = Vec::new();
        for (number, line) in lines {
            let document = json::parse(line, EVENT_DEPTH_MAX)
                .map_err(|e| not_json(&e, number).at(documents.len()))?;
            documents.push(document);
        }
        if documents.is_empty() {
            return Err(events_expected("empty body").whole());
        }
        let candidates = documents.iter().map(|document| Candidate {
            json: &document.root,
            flaw: document.flaws.first(),
            above: 0,
        });
        self.check_all(candidates, body.len())
    }

    fn check_all<'d>(
        &self,
        candidates: impl Iterator<Item = Candidate<'d>>,
        body_bytes: usize,
    ) -> Result<Vec<IncomingEvent>, IngestRefusal> {
        let mut events = Vec::with_capacity(candidates.size_hint().0);
        let mut first: Option<(Stage, IngestRefusal)> = None;
        // An event can only be too large where the whole body is larger than one may be.
        let measure = body_bytes > self.event_bytes_max;
        for (index, candidate) in candidates.enumerate() {
            match self.check(&candidate, measure) {
                Ok(event) => events.push(event),
                Err((stage, why)) => {
                    if first.as_ref().is_none_or(|(earliest, _)| stage < *earliest) {
                        first = Some((stage, why.at(index)));
                    }
                }
            }
        }
        first.map_or(Ok(events), |(_, refusal)| Err(refusal))
    }

    fn check(&self, candidate: &Candidate<'_>, measure: bool) -> Result<IncomingEvent, Complaint> {
        let event = candidate.json;
        if measure {
            let (limit, bytes) = (self.event_bytes_max, canonical::to_canonical(event).len());
            if bytes > limit {
                let (limit, received) = (limit as u64, bytes as u64);
                let why = Refusal::TooLarge { what: "event in bytes", limit, received };
                return Err((Stage::Size, why));
            }
        }
        let Json::Object(members) = event else {
            return Err(schema(SchemaComplaint::field("event", "object", &event.describe())));
        };
        let fields = Fields::collect(members);
        self.check_leak(&fields)?;
        let (draft, claimed) = self.check_schema(event, &fields)?;
        if !is_rfc3339_with_offset(draft.timestamp) {
            let received = Json::String(draft.timestamp.into()).describe();
            return Err((Stage::Timestamp, Refusal::Timestamp { received }));
        }
        if let Some(flaw) = candidate.flaw {
            let (pointer, reason) = (flaw.pointer_from(candidate.above), flaw.kind.reason());
            return Err((Stage::Canonical, Refusal::Jcs { pointer, reason }));
        }
        draft.finish(claimed)
    }

    /// Fields that would let a client speak for the server.
    fn check_leak(&self, fields: &Fields<'_>) -> Result<(), Complaint> {
        let leak = |field| Err((Stage::AuthorityLeak, Refusal::AuthorityLeak { field }));
        let set = |value: Option<&Json<'_>>| value.is_some_and(|v| *v != Json::Null);
        if fields.received_at.is_some() {
            return leak("received_at");
        }
        if fields.signature.is_some() {
            return leak("signature");
        }
        if self.authority == ChainAuthority::Sdk {
            return Ok(());
        }
        if set(fields.event_hash) {
            return leak("event_hash");
        }
        if set(fields.prev_event_hash) {
            return leak("prev_event_hash");
        }
        if fields.chain_authority.is_some() {
            return leak("chain_authority");
        }
        if fields.event_type.and_then(Json::as_str) == Some(EventType::CHAIN_SEAL.as_str()) {
            return leak("event_type");
        }
        Ok(())
    }

    fn check_schema<'d>(
        &self,
        event: &Json<'_>,
        fields: &Fields<'d>,
    ) -> Result<(Draft<'d>, Option<ClaimedChain>), Complaint> {
        let missing = self.missing_fields(fields);
        let unexpected =
            if fields.unknown { unexpected_fields(event, &KNOWN_FIELDS) } else { Vec::new() };
        if !missing.is_empty() || !unexpected.is_empty() {
            return Err(schema(SchemaComplaint::Fields { missing, unexpected }));
        }
        let draft = Draft::read(fields)?;
        let session_id = fields.session_id.unwrap_or(&Json::Null);
        let expected = self.session_id.to_string();
        if session_id.as_str() != Some(&expected) {
            return Err(field("session_id", &expected, session_id));
        }
        let claimed = match self.authority {
            ChainAuthority::Server => None,
            ChainAuthority::Sdk => Some(claimed_chain(fields)?),
        };
        Ok((draft, claimed))
    }

    fn missing_fields(&self, fields: &Fields<'_>) -> Vec<String> {
        let mut missing = fields.missing();
        if self.authority == ChainAuthority::Sdk {
            let claims = [
                ("payload_hash", fields.payload_hash),
                ("prev_event_hash", fields.prev_event_hash),
                ("event_hash", fields.event_hash),
            ];
            missing.extend(claims.iter().filter(|c| c.1.is_none()).map(|c| c.0.to_owned()));
        }
        missing
    }
}

type Complaint = (Stage, Refusal);

struct Candidate<'d> {
    json: &'d Json<'d>,
    /// The first thing in it that JCS cannot carry.
    flaw: Option<&'d Flaw>,
    /// Steps of the flaw's path that lead to the event.
    above: usize,
}

/// All names that an event may have.
const KNOWN_FIELDS: [&str; 16] = [
    "actor_id",
    "chain_authority",
    "event_hash",
    "event_id",
    "event_type",
    "payload",
    "payload_hash",
    "prev_event_hash",
    "received_at",
    "schema_ver",
    "sequence_number",
    "session_id",
    "signature",
    "source_sdk_ver",
    "timestamp_monotonic",
    "timestamp_wall",
];

/// The members of an event by name, found in one pass.
#[derive(Default)]
struct Fields<'d> {
    actor_id: Option<&'d Json<'d>>,
    chain_authority: Option<&'d Json<'d>>,
    event_hash: Option<&'d Json<'d>>,
    event_id: Option<&'d Json<'d>>,
    event_type: Option<&'d Json<'d>>,
    payload: Option<&'d Json<'d>>,
    payload_hash: Option<&'d Json<'d>>,
    prev_event_hash: Option<&'d Json<'d>>,
    received_at: Option<&'d Json<'d>>,
    schema_ver: Option<&'d Json<'d>>,
    sequence_number: Option<&'d Json<'d>>,
    session_id: Option<&'d Json<'d>>,
    signature: Option<&'d Json<'d>>,
    source_sdk_ver: Option<&'d Json<'d>>,
    timestamp_monotonic: Option<&'d Json<'d>>,
    timestamp_wall: Option<&'d Json<'d>>,
    unknown: bool,
}

impl<'d> Fields<'d> {
    fn collect(members: &'d [(std::borrow::Cow<'d, str>, Json<'d>)]) -> Self {
        let mut fields = Self::default();
        for (key, value) in members {
            let slot = match key.as_ref() {
                "actor_id" => &mut fields.actor_id,
                "chain_authority" => &mut fields.chain_authority,
                "event_hash" => &mut fields.event_hash,
                "event_id" => &mut fields.event_id,
                "event_type" => &mut fields.event_type,
                "payload" => &mut fields.payload,
                "payload_hash" => &mut fields.payload_hash,
                "prev_event_hash" => &mut fields.prev_event_hash,
                "received_at" => &mut fields.received_at,
                "schema_ver" => &mut fields.schema_ver,
                "sequence_number" => &mut fields.sequence_number,
                "session_id" => &mut fields.session_id,
                "signature" => &mut fields.signature,
                "source_sdk_ver" => &mut fields.source_sdk_ver,
                "timestamp_monotonic" => &mut fields.timestamp_monotonic,
                "timestamp_wall" => &mut fields.timestamp_wall,
                _ => {
                    fields.unknown = true;
                    continue;
                }
            };
            slot.get_or_insert(value);
        }
        fields
    }

    fn missing(&self) -> Vec<String> {
        let required = [
            ("event_id", self.event_id),
            ("session_id", self.session_id),
            ("sequence_number", self.sequence_number),
            ("timestamp_wall", self.timestamp_wall),
            ("event_type", self.event_type),
            ("payload", self.payload),
        ];
        required.iter().filter(|f| f.1.is_none()).map(|f| f.0.to_owned()).collect()
    }
}

/// An event whose shape is right, with the parts that later stages look at.
struct Draft<'d> {
    event_id: uuid::Uuid,
    sequence_number: u64,
    timestamp: &'d str,
    event_type: EventType,
    payload: &'d Json<'d>,
    payload_hash: Option<Hash>,
    timestamp_monotonic: Option<f64>,
    source_sdk_ver: Option<String>,
    schema_ver: SchemaVersion,
    actor_id: Option<String>,
}

impl<'d> Draft<'d> {
    /// Reads the typed fields; all required ones are known to be there.
    fn read(fields: &Fields<'d>) -> Result<Self, Complaint> {
        let null = &Json::Null;
        let event_id = fields.event_id.unwrap_or(null);
        let sequence = fields.sequence_number.unwrap_or(null);
        let wall = fields.timestamp_wall.unwrap_or(null);
        let event_type = fields.event_type.unwrap_or(null);
        let payload = fields.payload.unwrap_or(null);
        let draft = Self {
            event_id: event_id
                .as_str()
                .and_then(parse_uuid)
                .ok_or_else(|| field("event_id", "UUID, hyphenated, lower case", event_id))?,
            sequence_number: sequence
                .as_integer()
                .ok_or_else(|| field("sequence_number", "integer 0 to 2^53-1", sequence))?,
            timestamp: wall
                .as_str()
                .ok_or_else(|| field("timestamp_wall", "RFC 3339 string", wall))?,
            event_type: event_type
                .as_str()
                .and_then(EventType::parse)
                .ok_or_else(|| field("event_type", "agent type or dotted name", event_type))?,
            payload,
            payload_hash: fields
                .payload_hash
                .map(|value| hash_field("payload_hash", value))
                .transpose()?,
            timestamp_monotonic: match fields.timestamp_monotonic {
                None => None,
                Some(Json::Number(n)) => Some(n.value),
                Some(other) => return Err(field("timestamp_monotonic", "finite number", other)),
            },
            source_sdk_ver: text("source_sdk_ver", fields.source_sdk_ver, SDK_VERSION_CHARS_MAX)?,
            schema_ver: match fields.schema_ver {
                None => SchemaVersion::default(),
                Some(value) => value
                    .as_str()
                    .and_then(SchemaVersion::parse)
                    .ok_or_else(|| field("schema_ver", "v0.6|v0.5", value))?,
            },
            actor_id: text("actor_id", fields.actor_id, ACTOR_CHARS_MAX)?,
        };
        if !matches!(payload, Json::Object(_)) {
            return Err(field("payload", "object", payload));
        }
        draft.event_type.check_payload(payload).map_err(schema)?;
        Ok(draft)
    }

    fn finish(self, claimed: Option<ClaimedChain>) -> Result<IncomingEvent, Complaint> {
        let payload = canonical::to_canonical(self.payload);
        let payload_hash = canonical::payload_hash(&payload);
        if let Some(received) = self.payload_hash.filter(|claim| *claim != payload_hash) {
            let (expected, received) = (payload_hash.to_string(), received.to_string());
            return Err((Stage::PayloadHash, Refusal::PayloadHash { expected, received }));
        }
        let dropped = if self.event_type == EventType::LOG_DROP {
            self.payload.get("dropped_count").and_then(Json::as_integer).unwrap_or(1)
        } else {
            0
        };
        let body = EventBody {
            event_id: self.event_id,
            sequence_number: self.sequence_number,
            timestamp_wall: self.timestamp.to_owned(),
            event_type: self.event_type,
            // The writer emits what it read as UTF-8, so this does not replace anything.
            payload: String::from_utf8_lossy(&payload).into_owned(),
            payload_hash,
            timestamp_monotonic: self.timestamp_monotonic,
            source_sdk_ver: self.source_sdk_ver,
            schema_ver: self.schema_ver,
            actor_id: self.actor_id,
        };
        Ok(IncomingEvent { body: Arc::new(body), dropped, claimed })
    }
}

fn claimed_chain(fields: &Fields<'_>) -> Result<ClaimedChain, Complaint> {
    if let Some(authority) = fields.chain_authority
        && authority.as_str() != Some(ChainAuthority::Sdk.as_str())
    {
        return Err(field("chain_authority", "sdk", authority));
    }
    let prev_event_hash = match fields.prev_event_hash.unwrap_or(&Json::Null) {
        Json::Null => None,
        value => Some(hash_field("prev_event_hash", value)?),
    };
    let event_hash = hash_field("event_hash", fields.event_hash.unwrap_or(&Json::Null))?;
    Ok(ClaimedChain { prev_event_hash, event_hash })
}

fn hash_field(name: &str, value: &Json<'_>) -> Result<Hash, Complaint> {
    value.as_str().and_then(Hash::from_hex).ok_or_else(|| field(name, "64 hex digits", value))
}

fn text(name: &str, value: Option<&Json<'_>>, max: usize) -> Result<Option<String>, Complaint> {
    let Some(value) = value else { return Ok(None) };
    match value.as_str() {
        Some(text) if text.len() <= max || text.chars().count() <= max => Ok(Some(text.to_owned())),
        _ => Err(field(name, &format!("string of at most {max} characters"), value)),
    }
}

fn field(name: &str, expected: &str, received: &Json<'_>) -> Complaint {
    schema(SchemaComplaint::field(name, expected, &received.describe()))
}

fn schema(complaint: SchemaComplaint) -> Complaint {
    (Stage::Schema, Refusal::Schema(complaint))
}

fn events_expected(received: &str) -> Refusal {
    Refusal::Schema(SchemaComplaint::field("events", "array of events", received))
}

fn not_json(error: &json::JsonError, lines_before: usize) -> Refusal {
    let json::JsonError { message, line, column } = *error;
    Refusal::Json { message, line: line + lines_before, column }
}

fn unexpected_fields(object: &Json<'_>, known: &[&str]) -> Vec<String> {
    let Json::Object(members) = object else { return Vec::new() };
    members
        .iter()
        .filter(|(key, _)| !known.contains(&key.as_ref()))
        .take(UNEXPECTED_SHOWN_MAX)
        .map(|(key, _)| Json::String(key.as_ref().into()).describe())
        .collect()
}

/// `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)` of a real day, from the year 1 on.
fn is_rfc3339_with_offset(text: &str) -> bool {
    let shape = text.as_bytes();
    let looks_right = (20..=TIMESTAMP_CHARS_MAX).contains(&shape.len())
        && shape[4] == b'-'
        && shape[10].eq_ignore_ascii_case(&b'T')
        && !shape.contains(&b' ')
        // chrono also reads U+2212 as the sign of an offset.
        && text.is_ascii();
    looks_right && DateTime::parse_from_rfc3339(text).is_ok_and(|at| at.year() >= 1)
}
