//! Starting, feeding and sealing sessions.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::evidence::dsse::{Envelope, RECEIPT_PAYLOAD_TYPE, SEAL_PAYLOAD_TYPE};
use domain::evidence::intake::{BodyForm, Intake};
use domain::evidence::merkle::MerkleTree;
use domain::evidence::record::{ChainAuthority, Record};
use domain::evidence::refusal::{IngestRefusal, Refusal};
use domain::evidence::seal::{policy_set_digest, receipt};
use domain::hash::Hash;
use domain::ids::{SessionId, TenantId};
use domain::session::{
    Append, Chain, PreparedSeal, SealFacts, Session, SessionCommand, SessionError, SessionEvent,
    Start,
};
use futures::StreamExt;

use crate::policies::PoliciesInForce;
use crate::ports::{
    AggregateId, Clock, CommandError, Commands, EvidenceReader, Ids, Metadata, PortError, Signer,
};

/// How often a command is decided again when others change its session meanwhile. Each round
/// somebody has won, so a client that loses this often competes with as many others.
const ROUNDS_MAX: usize = 64;

/// The write side of sessions.
#[derive(Clone)]
pub struct Sessions {
    /// The write door.
    pub commands: Arc<dyn Commands<Session>>,
    /// What is stored already.
    pub evidence: Arc<dyn EvidenceReader>,
    /// Signs seals and receipts.
    pub signer: Arc<dyn Signer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers of events that the server makes.
    pub ids: Arc<dyn Ids>,
    /// Which policies are in force: seals name them, appends are held to their limits.
    pub policies: Arc<dyn PoliciesInForce>,
    /// Settings.
    pub settings: SessionSettings,
}

/// Limits and identity.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// The identity that seals name.
    pub ingestion_service_id: String,
    /// Events of one request.
    pub batch_events_max: usize,
    /// Bytes of one event.
    pub event_bytes_max: usize,
    /// How long a session may be left alone; `None` for ever.
    pub idle_max: Option<TimeDelta>,
}

/// Whose session, and who asks.
#[derive(Debug, Clone)]
pub struct SessionCall {
    /// The tenant of the key.
    pub tenant: TenantId,
    /// The session.
    pub session: SessionId,
    /// Who asks.
    pub metadata: Metadata,
}

/// An append that was taken in.
#[derive(Debug, Clone)]
pub struct Appended {
    /// Events of the request that were stored now.
    pub accepted: u64,
    /// Events of the request that were stored already.
    pub duplicates: u64,
    /// Missing numbers that the server has filled.
    pub filled: u64,
    /// Number of the request's first event.
    pub first_sequence: u64,
    /// Number of the request's last event.
    pub last_sequence: u64,
    /// Hash of the chain's last event.
    pub final_hash: Hash,
    /// What the next event must be numbered.
    pub next_sequence: u64,
    /// Position in the tenant's log.
    pub position: u64,
    /// When the chain's last event was stored.
    pub at: DateTime<Utc>,
}

impl Sessions {
    /// Starts a session. Its position in the tenant's log.
    pub async fn start(
        &self,
        start: Start,
        metadata: &Metadata,
    ) -> Result<Option<u64>, CommandError<SessionError>> {
        let id = AggregateId::session(start.tenant_id, start.session_id);
        let committed = self.commands.execute(&id, SessionCommand::Start(start), metadata).await?;
        Ok(committed.position)
    }

    /// Takes a body of events in, all or none.
    pub async fn append(
        &self,
        call: &SessionCall,
        body: &[u8],
        form: BodyForm,
    ) -> Result<Appended, CommandError<SessionError>> {
        let id = AggregateId::session(call.tenant, call.session);
        let before = self.commands.load(&id).await?;
        let authority = before.chain.as_ref().map_or(ChainAuthority::Server, |c| c.authority);
        let intake = Intake {
            session_id: call.session,
            authority,
            batch_events_max: self.settings.batch_events_max,
            event_bytes_max: self.settings.event_bytes_max,
        };
        let events = intake.read(body, form).map_err(refused)?;
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Err(CommandError::Refused(SessionError::Empty));
        };
        let (first, last) = (first.body.sequence_number, last.body.sequence_number);
        let sent = events.len() as u64;
        let mut append = Append {
            events: events.into(),
            stored: Vec::new(),
            id_seed: self.ids.uuid(),
            idle_max: self.settings.idle_max,
            session_limits: self.policies.lately(call.tenant).await?.session_limits.clone(),
            at: self.clock.now(),
        };
        let mut state = before;
        for _ in 0..ROUNDS_MAX {
            let next = match &state.chain {
                Some(chain) => chain.next_sequence,
                None => return Err(CommandError::Refused(Session::not_found(call.session))),
            };
            append.stored = if first < next {
                self.stored(call, first, last.min(next - 1)).await?
            } else {
                Vec::new()
            };
            append.at = self.clock.now();
            let command = SessionCommand::Append(append.clone());
            match self.commands.execute(&id, command, &call.metadata).await {
                Ok(committed) => {
                    let position = match committed.position {
                        Some(position) => position,
                        None => self.evidence.position(call.tenant, call.session).await?,
                    };
                    let facts = Outcome { sent, first, last, position };
                    return facts.appended(&committed.state, &committed.events);
                }
                Err(CommandError::Conflict) => {}
                // Perhaps decided against a state that another server has outgrown.
                Err(CommandError::Refused(why)) => {
                    let fresh = self.commands.reload(&id).await?;
                    if fresh == state {
                        return Err(CommandError::Refused(pointing(why, &append)));
                    }
                    state = fresh;
                    continue;
                }
                Err(error) => return Err(error),
            }
            state = self.commands.reload(&id).await?;
        }
        Err(CommandError::Conflict)
    }

    async fn stored(
        &self,
        call: &SessionCall,
        first: u64,
        last: u64,
    ) -> Result<Vec<domain::session::StoredEvent>, PortError> {
        // A retry repeats what one batch brought and what the server filled into it: more than
        // that is never the same batch.
        let last = last.min(first + 2 * self.settings.batch_events_max as u64);
        self.evidence.stored(call.tenant, call.session, first, last).await
    }

    /// A signed statement that the chain is stored up to there.
    pub async fn receipt(
        &self,
        session: SessionId,
        appended: &Appended,
    ) -> Result<Envelope, PortError> {
        let through = appended.next_sequence.saturating_sub(1);
        let payload = receipt(session, through, &appended.final_hash, appended.at)
            .map_err(|e| PortError::new("making the receipt", e))?;
        self.signer.sign(RECEIPT_PAYLOAD_TYPE, &payload).await
    }

    /// Seals the session: reads the stored chain from its beginning, so that nothing is signed that
    /// is not stored and intact. `None` when it was sealed before.
    pub async fn seal(
        &self,
        call: &SessionCall,
        incomplete: bool,
        reason: Option<String>,
    ) -> Result<Option<(Box<domain::session::SessionSealed>, u64)>, CommandError<SessionError>>
    {
        let id = AggregateId::session(call.tenant, call.session);
        // Kept between rounds: who appends meanwhile makes the next round read the new tail alone.
        let mut read = ReadBack::default();
        for _ in 0..ROUNDS_MAX {
            let state = self.commands.reload(&id).await?;
            state.chain().map_err(CommandError::Refused)?;
            if state.phase == domain::session::Phase::Sealed {
                return Ok(None);
            }
            state.check_sealable(incomplete).map_err(CommandError::Refused)?;
            let prepared = match self.prepare(call, &state, &mut read, incomplete).await {
                Err(CommandError::Refused(SessionError::Moved)) => continue,
                other => other?,
            };
            let envelope = self.signer.sign(SEAL_PAYLOAD_TYPE, &prepared.statement).await?;
            let command = SessionCommand::Seal {
                prepared: Box::new(prepared),
                envelope,
                reason: reason.clone(),
            };
            match self.commands.execute(&id, command, &call.metadata).await {
                Ok(committed) => {
                    let sealed = committed.events.into_iter().find_map(|event| match event {
                        SessionEvent::Sealed(sealed) => Some(sealed),
                        SessionEvent::Started(_) | SessionEvent::Appended(_) => None,
                    });
                    return Ok(sealed.zip(committed.position));
                }
                Err(CommandError::Conflict | CommandError::Refused(SessionError::Moved)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(CommandError::Conflict)
    }

    async fn prepare(
        &self,
        call: &SessionCall,
        state: &Session,
        read: &mut ReadBack,
        incomplete: bool,
    ) -> Result<PreparedSeal, CommandError<SessionError>> {
        let chain = state.chain().map_err(CommandError::Refused)?;
        let ReadBack { tree, head } = read;
        let mut leaf = Vec::with_capacity(1024);
        let unread = tree.leaves()..chain.next_sequence;
        let mut records = self.evidence.records(call.tenant, call.session, unread);
        while let Some(item) = records.next().await {
            let (record, _) = item?;
            check_stored(&record, call.session, *head, tree.leaves())?;
            leaf.clear();
            record.write_leaf(&chain.context(), &mut leaf);
            tree.push(&leaf);
            *head = Some(record.event_hash);
        }
        check_whole(chain, *head, tree.leaves())?;
        let in_force = self.policies.now(call.tenant).await?;
        let facts = SealFacts {
            tenant_id: call.tenant,
            ingestion_service_id: self.settings.ingestion_service_id.clone(),
            session_digest: tree.root(),
            event_count: tree.leaves(),
            final_event_hash: head.ok_or(CommandError::Refused(SessionError::Empty))?,
            policy_set_digest: policy_set_digest(in_force.policies.clone())
                .map_err(|e| PortError::new("digesting the policy set", e))?,
            policies_position: in_force.position,
            event_id: self.ids.uuid(),
            incomplete,
            // The seal states milliseconds; its record must say the same time to the digit.
            at: self.clock.now().trunc_subsecs(3),
        };
        state.prepare_seal(facts).map_err(CommandError::Refused)
    }
}

/// The store knows the id of an event that it refuses, and not where the event stood.
fn pointing(why: SessionError, append: &Append) -> SessionError {
    match why {
        SessionError::Refused(IngestRefusal {
            index: None,
            why: why @ Refusal::EventIdConflict { event_id },
        }) => {
            let index = append.events.iter().position(|e| e.body.event_id == event_id);
            SessionError::Refused(IngestRefusal { index, why })
        }
        other => other,
    }
}

/// The stored chain as far as it was read back and recomputed.
#[derive(Default)]
struct ReadBack {
    tree: MerkleTree,
    head: Option<Hash>,
}

/// The server signs only what it can recompute.
fn check_stored(
    record: &Record,
    session: SessionId,
    prev: Option<Hash>,
    number: u64,
) -> Result<(), PortError> {
    let payload_hash = Hash::of(record.body.payload.as_bytes());
    let again = Record::chain(record.body.clone(), session, prev, record.received_at);
    let intact = payload_hash == record.body.payload_hash
        && record.prev_event_hash == prev
        && record.body.sequence_number == number
        && again.event_hash == record.event_hash;
    if intact {
        return Ok(());
    }
    let cause = format!("record {number} of session {session} is not what was stored");
    Err(PortError::new("sealing", cause))
}

/// Head and records were stored by the same statement: when they differ, somebody was at them.
fn check_whole(chain: &Chain, last: Option<Hash>, count: u64) -> Result<(), PortError> {
    if count == chain.next_sequence && last == chain.head_hash {
        return Ok(());
    }
    let (session, expected) = (chain.session_id, chain.next_sequence);
    let cause = format!("session {session} has {expected} records, of which {count} are stored");
    Err(PortError::new("sealing", cause))
}

fn refused(refusal: IngestRefusal) -> CommandError<SessionError> {
    CommandError::Refused(SessionError::Refused(refusal))
}

struct Outcome {
    sent: u64,
    first: u64,
    last: u64,
    position: u64,
}

impl Outcome {
    fn appended(
        self,
        state: &Session,
        events: &[SessionEvent],
    ) -> Result<Appended, CommandError<SessionError>> {
        let chain = state.chain().map_err(CommandError::Refused)?;
        let (stored, filled) = events.iter().fold((0, 0), |sum, event| match event {
            SessionEvent::Appended(appended) => (sum.0 + appended.count, sum.1 + appended.filled),
            SessionEvent::Started(_) | SessionEvent::Sealed(_) => sum,
        });
        let accepted = stored - filled;
        Ok(Appended {
            accepted,
            duplicates: self.sent - accepted,
            filled,
            first_sequence: self.first,
            last_sequence: self.last,
            final_hash: chain.head_hash.unwrap_or(Hash([0; 32])),
            next_sequence: chain.next_sequence,
            position: self.position,
            // Of a retry, too, this is when the chain's last event came.
            at: chain.last_activity,
        })
    }
}
