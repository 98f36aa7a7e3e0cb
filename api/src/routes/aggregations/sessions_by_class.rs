//! `GET /v1/aggregations/sessions-by-class`: what the evidence of sessions is worth.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::evidence::class::EvidenceClass;
use projections::aggregations::ClassRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::WindowBody;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::Params;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

const SOURCE: Source = Source::Projections(&["sessions"]);

/// What is counted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ByClassQuery {
    /// Sessions started within so many hours or days up to now: `24h` (when absent), `7d`.
    #[param(pattern = "^[1-9][0-9]{0,3}[hd]$")]
    window: Option<String>,
    /// Sessions of this agent.
    agent_id: Option<String>,
}

/// Sessions by evidence class.
#[derive(Debug, Serialize, ToSchema)]
pub struct ByClassBody {
    window: WindowBody,
    /// Each of the three classes, those without sessions too.
    items: Vec<ClassRow>,
    /// The answer stands for the log up to here.
    position: i64,
}

/// Count sessions by evidence class.
#[utoipa::path(get, path = "/v1/aggregations/sessions-by-class",
    operation_id = "aggregateSessionsByClass", tag = "aggregations", params(ByClassQuery),
    responses(
        (status = 200, description = "Counts by class.", body = ByClassBody),
        (status = 304, description = "The answer is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn aggregate(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<ByClassQuery>,
) -> Result<Response, Problem> {
    let (asked, window) = super::window(&app, query.window.as_deref(), query.agent_id)?;
    min_position.wait_for(&app, caller.tenant, SOURCE).await?;
    let mut answer = app.reads.sessions_by_class(caller.tenant, &asked).await?;
    let classes =
        [EvidenceClass::Authoritative, EvidenceClass::Partial, EvidenceClass::NonAuthoritative];
    let items = classes.map(|class| {
        let known = answer.rows.iter().position(|row| row.evidence_class == class.as_str());
        known.map_or_else(|| none_of(class), |index| answer.rows.swap_remove(index))
    });
    let body = ByClassBody { window, items: items.into(), position: answer.position };
    conditional::json(&headers, &body)
}

fn none_of(class: EvidenceClass) -> ClassRow {
    ClassRow {
        evidence_class: class.as_str().to_owned(),
        sessions: 0,
        sealed_sessions: 0,
        events: 0,
    }
}
