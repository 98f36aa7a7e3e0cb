//! Working on violations: commands of people, and the clock that escalates what is overdue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use domain::violation::{Request, Violation, ViolationCommand, ViolationError};
use tokio::sync::watch;
use uuid::Uuid;

use crate::ports::{AggregateId, Clock, CommandError, Commands, Committed, Metadata, PortError};

/// How often a command is decided again when others work on the same violation meanwhile.
const ROUNDS_MAX: usize = 16;
/// How often the clock looks for what is overdue.
const LOOK: Duration = Duration::from_secs(1);
/// Violations that one look escalates.
const OVERDUE_MAX: i64 = 500;

/// A violation that is overdue and asks to be escalated.
#[derive(Debug, Clone, PartialEq)]
pub struct Overdue {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which.
    pub violation: Uuid,
    /// To whom.
    pub to: String,
}

/// Finds what is overdue.
#[async_trait]
pub trait OverdueViolations: Send + Sync {
    /// Violations of all tenants that were due before `now`, are not resolved, ask to be escalated
    /// and have not been.
    async fn overdue(&self, now: DateTime<Utc>, limit: i64) -> Result<Vec<Overdue>, PortError>;
}

/// The write side of violations.
#[derive(Clone)]
pub struct Violations {
    /// The write door.
    pub commands: Arc<dyn Commands<Violation>>,
    /// What the clock looks at.
    pub overdue: Arc<dyn OverdueViolations>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Violations {
    /// Does what is asked, by the identity in the metadata and no other.
    pub async fn execute(
        &self,
        tenant: TenantId,
        violation: Uuid,
        what: Request,
        expected: Option<u64>,
        metadata: &Metadata,
    ) -> Result<Committed<Violation>, CommandError<ViolationError>> {
        let id = AggregateId { tenant, id: violation };
        let (by, at) = (metadata.actor.clone(), self.clock.now());
        let command = ViolationCommand { what, by, expected, at };
        for _ in 0..ROUNDS_MAX {
            match self.commands.execute(&id, command.clone(), metadata).await {
                Err(CommandError::Conflict) => {}
                other => return other,
            }
        }
        Err(CommandError::Conflict)
    }

    /// Escalates what is overdue, until it is told to stop.
    pub async fn watch_the_clock(&self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(error) = self.escalate_overdue().await {
                tracing::warn!(cause = %error, "escalating what is overdue failed");
            }
        }
    }

    /// One look. Several servers may do it at once: the aggregate lets one of them.
    async fn escalate_overdue(&self) -> Result<(), PortError> {
        let overdue = self.overdue.overdue(self.clock.now(), OVERDUE_MAX).await?;
        for Overdue { tenant, violation, to } in overdue {
            let metadata = Metadata { actor: "clock".to_owned(), correlation_id: String::new() };
            let request = Request::AutoEscalate { to };
            match self.execute(tenant, violation, request, None, &metadata).await {
                Ok(_) | Err(CommandError::Conflict) => {}
                Err(CommandError::Refused(why)) => {
                    tracing::warn!(%violation, %why, "an overdue violation was not escalated");
                }
                Err(CommandError::Port(error)) => return Err(error),
            }
        }
        Ok(())
    }
}
