//! `EventStore<Violation>`: events with their place in the log and their line in the action log, in
//! one statement. Violations are made by the judge: see [`crate::docket`].

use std::collections::HashMap;
use std::sync::Arc;

use application::violations::{Overdue, OverdueViolations};
use application::{AggregateId, CommandError, Commands, Committed, Hints, Metadata, PortError};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cqrs_es::{
    Aggregate, AggregateContext, AggregateError, DomainEvent, EventEnvelope, EventStore,
};
use domain::ids::TenantId;
use domain::violation::{Violation, ViolationCommand, ViolationError, ViolationEvent};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::write_door::{carry_out, command_error, database, unexpected, unwritten};

type StoreError = AggregateError<ViolationError>;

/// The store of violations.
pub struct ViolationStore {
    pool: PgPool,
    hints: Arc<dyn Hints>,
}

/// A violation between its loading and its commit.
pub struct ViolationContext {
    id: AggregateId,
    violation: Violation,
    /// Before the command.
    version: u64,
}

impl AggregateContext<Violation> for ViolationContext {
    fn aggregate(&mut self) -> &mut Violation {
        &mut self.violation
    }
}

impl ViolationStore {
    pub fn new(pool: PgPool, hints: Arc<dyn Hints>) -> Self {
        Self { pool, hints }
    }

    async fn events(&self, id: &AggregateId) -> Result<Vec<EventEnvelope<Violation>>, StoreError> {
        let rows = sqlx::query(
            "select sequence, payload::text, metadata::text from events
             where tenant_id = $1 and aggregate_type = 'violation' and aggregate_id = $2
             order by sequence",
        )
        .bind(id.tenant.0)
        .bind(id.id.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(database)?;
        rows.iter()
            .map(|row| {
                Ok(EventEnvelope {
                    aggregate_id: id.id.to_string(),
                    sequence: row.get::<i64, _>(0) as usize,
                    payload: serde_json::from_str(row.get(1)).map_err(unexpected)?,
                    metadata: serde_json::from_str(row.get(2)).map_err(unexpected)?,
                })
            })
            .collect()
    }

    async fn context(&self, id: &AggregateId) -> Result<ViolationContext, StoreError> {
        let mut violation = Violation::default();
        for event in self.events(id).await? {
            violation.apply(event.payload);
        }
        let version = violation.version;
        Ok(ViolationContext { id: id.clone(), violation, version })
    }

    /// Writes one event; its position in the log.
    async fn write(
        &self,
        event: &ViolationEvent,
        context: &ViolationContext,
        metadata: &HashMap<String, String>,
    ) -> Result<i64, StoreError> {
        let ViolationEvent::Done { by, at, action, .. } = event else {
            return Err(unexpected("violations are detected by the judge"));
        };
        sqlx::query_scalar(
            "with slot as (
                 update tenant_heads set position = position + 1 where tenant_id = $1
                 returning position
             ), acted as (
                 insert into violation_actions (tenant_id, violation_id, number, action, actor, at,
                                                details, position)
                 select $1, $2, $3, $4, $5, $6, $7::json, position from slot
             )
             insert into events (tenant_id, position, aggregate_type, aggregate_id, sequence,
                                 event_type, event_version, payload, metadata)
             select $1, position, 'violation', $2::text, $3, $8, $9, $10::json, $11::json from slot
             returning position",
        )
        .bind(context.id.tenant.0)
        .bind(context.id.id)
        .bind(context.version as i64 + 1)
        .bind(action.name())
        .bind(by)
        .bind(at)
        .bind(action.details().to_string())
        .bind(event.event_type())
        .bind(event.event_version())
        .bind(serde_json::to_string(event).map_err(unexpected)?)
        .bind(serde_json::to_string(metadata).map_err(unexpected)?)
        .fetch_one(&self.pool)
        .await
        .map_err(unwritten)
    }
}

impl EventStore<Violation> for ViolationStore {
    type AC = ViolationContext;

    async fn load_events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<EventEnvelope<Violation>>, StoreError> {
        self.events(&parse(aggregate_id)?).await
    }

    async fn load_aggregate(&self, aggregate_id: &str) -> Result<ViolationContext, StoreError> {
        self.context(&parse(aggregate_id)?).await
    }

    async fn commit(
        &self,
        events: Vec<ViolationEvent>,
        context: ViolationContext,
        mut metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<Violation>>, StoreError> {
        let mut events = events.into_iter();
        let Some(event) = events.next() else { return Ok(Vec::new()) };
        if events.next().is_some() {
            return Err(unexpected("a violation makes one event a command"));
        }
        let position = self.write(&event, &context, &metadata).await?;
        self.hints.committed(context.id.tenant, position as u64);
        metadata.insert("position".to_owned(), position.to_string());
        Ok(vec![EventEnvelope {
            aggregate_id: context.id.id.to_string(),
            sequence: context.version as usize + 1,
            payload: event,
            metadata,
        }])
    }
}

#[async_trait]
impl Commands<Violation> for ViolationStore {
    async fn load(&self, id: &AggregateId) -> Result<Violation, CommandError<ViolationError>> {
        Ok(self.context(id).await.map_err(command_error)?.violation)
    }

    async fn reload(&self, id: &AggregateId) -> Result<Violation, CommandError<ViolationError>> {
        self.load(id).await
    }

    async fn execute(
        &self,
        id: &AggregateId,
        command: ViolationCommand,
        metadata: &Metadata,
    ) -> Result<Committed<Violation>, CommandError<ViolationError>> {
        let context = self.context(id).await.map_err(command_error)?;
        carry_out(self, id, context, command, metadata).await
    }
}

#[async_trait]
impl OverdueViolations for ViolationStore {
    async fn overdue(&self, now: DateTime<Utc>, limit: i64) -> Result<Vec<Overdue>, PortError> {
        let rows: Vec<(Uuid, Uuid, String)> = sqlx::query_as(
            "select v.tenant_id, v.violation_id, v.auto_escalate_to from violation_views v
             join projections p on p.name = 'violations' and p.generation = v.generation
             where v.due_at < $1 and v.status <> 'RESOLVED' and v.auto_escalate_to is not null
               and not v.auto_escalated
             order by v.due_at limit $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(|e| PortError::new("asking what is overdue", e))?;
        let overdue = |(tenant, violation, to)| Overdue { tenant: TenantId(tenant), violation, to };
        Ok(rows.into_iter().map(overdue).collect())
    }
}

fn parse(aggregate_id: &str) -> Result<AggregateId, StoreError> {
    AggregateId::parse(aggregate_id)
        .ok_or_else(|| unexpected("an aggregate id that is not <tenant>/<id>"))
}
