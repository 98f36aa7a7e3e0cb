//! What the events of each session add up to: its state, class, counts, agent and times.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::evidence::class::ClassFacts;
use domain::evidence::record::ChainAuthority;
use domain::ids::SessionId;
use domain::session::{SessionEvent, SessionStarted};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::runner::{Batch, FoldError, Projection};

/// Folds into `session_views`.
pub struct SessionsProjection;

/// A row of `session_views`.
#[derive(Debug, Clone, PartialEq, FromRow)]
struct View {
    session_id: Uuid,
    agent_id: String,
    environment: Option<String>,
    framework: Option<String>,
    chain_authority: String,
    phase: String,
    has_session_end: bool,
    event_count: i64,
    dropped: i64,
    log_drops: i64,
    tool_calls: i64,
    started_at: DateTime<Utc>,
    last_event_at: Option<DateTime<Utc>>,
    sealed_at: Option<DateTime<Utc>>,
    position: i64,
}

impl View {
    fn started(started: &SessionStarted) -> Self {
        Self {
            session_id: started.session_id.0,
            agent_id: started.agent_id.clone(),
            environment: started.environment.clone(),
            framework: started.framework.clone(),
            chain_authority: started.chain_authority.as_str().to_owned(),
            phase: "active".to_owned(),
            has_session_end: false,
            event_count: 0,
            dropped: 0,
            log_drops: 0,
            tool_calls: 0,
            started_at: started.started_at,
            last_event_at: None,
            sealed_at: None,
            position: 0,
        }
    }

    fn take(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Started(_) => {}
            SessionEvent::Appended(appended) => {
                self.event_count += appended.count as i64;
                self.dropped += appended.dropped as i64;
                self.log_drops += appended.log_drops() as i64;
                self.tool_calls += appended.tools.values().sum::<u64>() as i64;
                self.last_event_at = Some(appended.at);
                if appended.ends() {
                    self.has_session_end = true;
                    "ended".clone_into(&mut self.phase);
                }
                if appended.seals() {
                    self.seal(appended.at);
                }
            }
            SessionEvent::Sealed(sealed) => {
                self.event_count += 1;
                self.last_event_at = Some(sealed.at);
                self.seal(sealed.at);
            }
        }
    }

    fn seal(&mut self, at: DateTime<Utc>) {
        "sealed".clone_into(&mut self.phase);
        self.sealed_at = Some(at);
    }

    fn class(&self) -> Result<&'static str, FoldError> {
        let authority = ChainAuthority::parse(&self.chain_authority)
            .ok_or_else(|| FoldError::Poison("an authority that nobody knows".to_owned()))?;
        let facts = ClassFacts {
            authority,
            sealed: self.phase == "sealed",
            has_session_end: self.has_session_end,
            has_log_drop: self.log_drops > 0,
        };
        Ok(facts.class().as_str())
    }
}

#[async_trait::async_trait]
impl Projection for SessionsProjection {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["session_views"]
    }

    async fn fold(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        generation: i32,
    ) -> Result<(), FoldError> {
        let mut views = known(connection, batch, generation).await?;
        for entry in batch.sessions() {
            let (logged, session, event) = entry?;
            if let SessionEvent::Started(started) = event {
                views.insert(session, View::started(started));
            }
            let view = views.get_mut(&session);
            let view = view.ok_or_else(|| FoldError::never_started(session))?;
            view.take(event);
            view.position = logged.position as i64;
        }
        if views.is_empty() {
            return Ok(());
        }
        let views: Vec<View> = views.into_values().collect();
        write(connection, batch, generation, &views).await
    }
}

/// The rows of the batch's sessions, as far as they were folded before.
async fn known(
    connection: &mut PgConnection,
    batch: &Batch,
    generation: i32,
) -> Result<BTreeMap<SessionId, View>, FoldError> {
    let mut sessions: Vec<Uuid> = Vec::new();
    for entry in batch.sessions() {
        sessions.push(entry?.1.0);
    }
    sessions.sort_unstable();
    sessions.dedup();
    let views: Vec<View> = sqlx::query_as(
        "select session_id, agent_id, environment, framework, chain_authority, phase,
                has_session_end, event_count, dropped, log_drops, tool_calls, started_at,
                last_event_at, sealed_at, position
         from session_views where tenant_id = $1 and generation = $2 and session_id = any($3)",
    )
    .bind(batch.tenant.0)
    .bind(generation)
    .bind(sessions)
    .fetch_all(connection)
    .await?;
    Ok(views.into_iter().map(|view| (SessionId(view.session_id), view)).collect())
}

async fn write(
    connection: &mut PgConnection,
    batch: &Batch,
    generation: i32,
    views: &[View],
) -> Result<(), FoldError> {
    let classes = views.iter().map(View::class).collect::<Result<Vec<_>, _>>()?;
    let texts = |value: fn(&View) -> &str| views.iter().map(value).collect::<Vec<_>>();
    let counts = |value: fn(&View) -> i64| views.iter().map(value).collect::<Vec<_>>();
    sqlx::query(
        "insert into session_views (tenant_id, generation, session_id, agent_id, environment,
             framework, chain_authority, phase, evidence_class, has_session_end, event_count,
             dropped, log_drops, tool_calls, started_at, last_event_at, sealed_at, position)
         select $1, $2, * from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::text[], $10::bool[], $11::int8[], $12::int8[], $13::int8[],
             $14::int8[], $15::timestamptz[], $16::timestamptz[], $17::timestamptz[], $18::int8[])
         on conflict (tenant_id, generation, session_id) do update set
             phase = excluded.phase, evidence_class = excluded.evidence_class,
             has_session_end = excluded.has_session_end, event_count = excluded.event_count,
             dropped = excluded.dropped, log_drops = excluded.log_drops,
             tool_calls = excluded.tool_calls, last_event_at = excluded.last_event_at,
             sealed_at = excluded.sealed_at, position = excluded.position",
    )
    .bind(batch.tenant.0)
    .bind(generation)
    .bind(views.iter().map(|v| v.session_id).collect::<Vec<_>>())
    .bind(texts(|v| &v.agent_id))
    .bind(views.iter().map(|v| v.environment.as_deref()).collect::<Vec<_>>())
    .bind(views.iter().map(|v| v.framework.as_deref()).collect::<Vec<_>>())
    .bind(texts(|v| &v.chain_authority))
    .bind(texts(|v| &v.phase))
    .bind(classes)
    .bind(views.iter().map(|v| v.has_session_end).collect::<Vec<_>>())
    .bind(counts(|v| v.event_count))
    .bind(counts(|v| v.dropped))
    .bind(counts(|v| v.log_drops))
    .bind(counts(|v| v.tool_calls))
    .bind(views.iter().map(|v| v.started_at).collect::<Vec<_>>())
    .bind(views.iter().map(|v| v.last_event_at).collect::<Vec<_>>())
    .bind(views.iter().map(|v| v.sealed_at).collect::<Vec<_>>())
    .bind(counts(|v| v.position))
    .execute(connection)
    .await?;
    Ok(())
}
