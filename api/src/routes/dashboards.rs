//! `GET /v1/dashboards/compliance`: what compliance people look at first, in one call.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use projections::dashboards::Compliance;

use crate::auth::Caller;
use crate::conditional;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

const SOURCE: Source = Source::Projections(&["sessions"]);

/// Look at the compliance dashboard.
#[utoipa::path(get, path = "/v1/dashboards/compliance", operation_id = "getComplianceDashboard",
    tag = "aggregations",
    responses(
        (status = 200, description = "Open by severity, overdue, rankings, times, classes, exposure.",
            body = Compliance),
        (status = 304, description = "The answer is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn compliance(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
) -> Result<Response, Problem> {
    min_position.wait_for(&app, caller.tenant, SOURCE).await?;
    min_position.wait_for(&app, caller.tenant, Source::Judged).await?;
    let compliance = app.reads.compliance(caller.tenant, app.clock.now()).await?;
    conditional::json(&headers, &compliance)
}
