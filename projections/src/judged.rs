//! What the judge says of sessions, and how far it had come before that was read.

use std::collections::HashMap;

use domain::ids::TenantId;
use uuid::Uuid;

use crate::TenantReads;
use crate::aggregations::stands_at;
use crate::judgement::personal_data;
use crate::violations::{SessionViolations, violation_counts};

/// Of some sessions.
#[derive(Debug)]
pub struct JudgedSessions {
    /// Position that the judge has reached in the tenant's log.
    pub judged_to: i64,
    /// Position up to which violations are counted.
    pub counted_to: i64,
    /// Detectors and matches, of those sessions that hold any.
    pub personal_data: HashMap<Uuid, Vec<(String, i64)>>,
    /// Of those sessions that have any.
    pub violations: HashMap<Uuid, SessionViolations>,
}

impl TenantReads {
    pub async fn judged(
        &self,
        tenant: TenantId,
        sessions: &[Uuid],
    ) -> sqlx::Result<JudgedSessions> {
        // Each query sees what is committed before it. First how far it has come, then: what is read
        // after that is at least that new.
        let mut transaction = self.begin(tenant).await?;
        let judged_to = stands_at(&mut transaction, tenant, "judgement").await?;
        let counted_to = stands_at(&mut transaction, tenant, "violations").await?;
        let personal_data = personal_data(&mut transaction, tenant, sessions).await?;
        let violations = violation_counts(&mut transaction, tenant, sessions).await?;
        transaction.commit().await?;
        Ok(JudgedSessions { judged_to, counted_to, personal_data, violations })
    }
}
