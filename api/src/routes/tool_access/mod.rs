//! Who has used which tool, and whether the policies of that moment allowed it.

pub mod of_session;
pub mod of_tenant;

use axum::http::HeaderMap;
use axum::response::Response;
use domain::ids::TenantId;
use projections::judgement::{ToolUseFilter, ToolUseMark, ToolUseRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::conditional;
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

/// One page, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolUsePage {
    items: Vec<ToolUseRow>,
    /// Asks for the next page; null on the last.
    next_cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    position: i64,
    session_id: Uuid,
    sequence_number: i64,
}

/// What the judge leaves.
pub(super) const SOURCE: Source = Source::Projections(&["judgement"]);

/// Which page of which list.
struct Asked {
    list: String,
    limit: usize,
    cursor: Option<String>,
}

/// A page of uses.
async fn page(
    app: &App,
    tenant: TenantId,
    headers: &HeaderMap,
    min_position: MinPosition,
    filter: &ToolUseFilter,
    asked: Asked,
) -> Result<Response, Problem> {
    let Asked { list, limit, cursor } = asked;
    let mark = app.cursors.given::<Mark>(&list, cursor.as_deref())?;
    let after = mark.map(|Mark { position, session_id, sequence_number }| ToolUseMark {
        position,
        session_id,
        sequence_number,
    });
    min_position.wait_for(app, tenant, SOURCE).await?;
    let mut items = app.reads.tool_uses(tenant, filter, after, limit as i64 + 1).await?;
    let next_cursor = app.cursors.page(&list, &mut items, limit, |row| Mark {
        position: row.position,
        session_id: row.session_id,
        sequence_number: row.sequence_number,
    })?;
    conditional::json(headers, &ToolUsePage { items, next_cursor })
}
