//! What the judge says of sessions: personal data and violations, and whether it has seen them yet.

use std::collections::HashMap;

use domain::ids::TenantId;
use domain::personal_data::Detector;
use projections::judged::JudgedSessions;
use projections::sessions::SessionRow;
use uuid::Uuid;

use super::view::{PiiSummary, ViolationsSummary};
use crate::problem::Problem;
use crate::state::App;

/// Of one session.
pub struct Judged {
    pub pii: PiiSummary,
    pub violations: ViolationsSummary,
}

/// Of one session, whose position is known.
pub async fn of_one(app: &App, tenant: TenantId, row: &SessionRow) -> Result<Judged, Problem> {
    let mut judged = of_many(app, tenant, &[row.session_id], row.position).await?;
    Ok(judged.remove(&row.session_id).unwrap_or_else(|| Judged::nothing(false)))
}

/// Of the sessions of a page, whose events all stand at or before a position.
pub async fn of_many(
    app: &App,
    tenant: TenantId,
    sessions: &[Uuid],
    position: u64,
) -> Result<HashMap<Uuid, Judged>, Problem> {
    let JudgedSessions { judged_to, counted_to, mut personal_data, violations } =
        app.reads.judged(tenant, sessions).await?;
    let seen = judged_to as u64 >= position;
    let judged = |session: &Uuid| {
        let mut judged = Judged::nothing(seen);
        judged.violations.judged = seen && counted_to as u64 >= position;
        judged.pii.found = personal_data.remove(session).unwrap_or_default().into_iter().collect();
        judged.pii.flagged = !judged.pii.found.is_empty();
        if let Some(counts) = violations.get(session) {
            judged.violations.total = counts.total;
            judged.violations.open = counts.open;
            judged.violations.unresolved = counts.unresolved;
        }
        (*session, judged)
    };
    Ok(sessions.iter().map(judged).collect())
}

impl Judged {
    /// Before anything was found.
    pub fn nothing(seen: bool) -> Self {
        let all = || Detector::ALL.map(Detector::as_str).to_vec();
        let (detectors_run, detectors_not_run) =
            if seen { (all(), Vec::new()) } else { (Vec::new(), all()) };
        Self {
            pii: PiiSummary {
                flagged: false,
                detectors_run,
                detectors_not_run,
                found: std::collections::BTreeMap::new(),
            },
            violations: ViolationsSummary { judged: seen, total: 0, open: 0, unresolved: 0 },
        }
    }
}
