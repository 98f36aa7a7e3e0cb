//! `GET /v1/events/history`: the items of the stream as pages.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::log::Cursor;
use domain::scope::Scope;
use projections::feed::ItemBody;
use projections::log::{HistoryFilter, HistoryOrder};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Caller;
use crate::conditional;
use crate::extract::{Params, instant, limit, name};
use crate::min_position::{MinPosition, Source};
use crate::problem::Problem;
use crate::state::App;

/// Items of a page, when no number is asked for, and at most.
const ITEMS_DEFAULT: u64 = 50;
const ITEMS_MAX: u64 = 200;

/// What the pages are narrowed to, and where one begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Of the page before.
    cursor: Option<String>,
    /// Items of a page: 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
    /// E.g. `session.sealed`.
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// E.g. `session`.
    entity_type: Option<String>,
    entity_id: Option<String>,
    /// Written at or after (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Written before (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// `desc` (newest first, when absent) or `asc`.
    #[param(pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// With `order=asc`: a stream's cursor; the page begins after it.
    after: Option<String>,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryPage {
    items: Vec<ItemBody>,
    /// Asks for the next page; null on the last.
    next_cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    epoch: String,
    position: u64,
}

/// Read the log as pages.
#[utoipa::path(get, path = "/v1/events/history", operation_id = "listHistory", tag = "streams",
    params(HistoryQuery),
    responses(
        (status = 200, description = "A page of items.", body = HistoryPage),
        (status = 304, description = "The page is the one of the given ETag."),
        (status = 503, description = "`READ_MODEL_BEHIND`"),
    ))]
pub async fn history(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    min_position: MinPosition,
    Params(query): Params<HistoryQuery>,
) -> Result<Response, Problem> {
    let limit = limit(query.limit, ITEMS_DEFAULT, ITEMS_MAX)?;
    let is_ascending = query.is_ascending()?;
    let filter = query.filter(caller.may(Scope::PoliciesRead))?;
    min_position.wait_for(&app, caller.tenant, Source::Log).await?;
    let head = app.reads.log_head(caller.tenant).await?;
    let head = head.ok_or_else(|| Problem::internal("a tenant without a log"))?;
    let direction = if is_ascending { "asc" } else { "desc" };
    let list = format!("history:{}:{direction}", caller.tenant);
    let mark = match app.cursors.given::<Mark>(&list, query.cursor.as_deref())? {
        None => query.after(head)?,
        Some(mark) if mark.epoch == head.epoch.as_str() => Some(mark.position),
        Some(_) => return Err(Problem::cursor()),
    };
    let order = if is_ascending {
        HistoryOrder::Ascending(mark.unwrap_or_default())
    } else {
        HistoryOrder::Descending(mark)
    };
    let rows =
        app.reads.history(caller.tenant, head.epoch, &filter, order, limit as i64 + 1).await?;
    let more = rows.len() as u64 > limit;
    let items: Vec<ItemBody> =
        rows.into_iter().take(limit as usize).filter_map(|item| item.body).collect();
    let end = items.last().filter(|_| more).map(|item| item.position);
    let mark = |position| Mark { epoch: head.epoch.as_str().to_owned(), position };
    let next_cursor = end.map(|end| app.cursors.seal(&list, &mark(end))).transpose()?;
    conditional::json(&headers, &HistoryPage { items, next_cursor })
}

impl HistoryQuery {
    fn is_ascending(&self) -> Result<bool, Problem> {
        match (self.order.as_deref(), &self.after) {
            (Some("asc"), _) => Ok(true),
            (None | Some("desc"), None) => Ok(false),
            (None | Some("desc"), Some(_)) => Err(Problem::query("after needs order=asc")),
            (Some(_), _) => Err(Problem::query("order is asc or desc")),
        }
    }

    /// A stream's cursor, if it is one of this log.
    fn after(&self, head: Cursor) -> Result<Option<u64>, Problem> {
        let Some(text) = &self.after else { return Ok(None) };
        let cursor: Cursor = text.parse().map_err(|_| Problem::cursor())?;
        let known = cursor.epoch == head.epoch && cursor.position <= head.position;
        if known { Ok(Some(cursor.position)) } else { Err(Problem::cursor()) }
    }

    fn filter(&self, policies: bool) -> Result<HistoryFilter, Problem> {
        Ok(HistoryFilter {
            event_type: name("type", self.event_type.clone())?,
            entity_type: name("entity_type", self.entity_type.clone())?,
            entity_id: name("entity_id", self.entity_id.clone())?,
            since: instant("since", self.since)?,
            until: instant("until", self.until)?,
            policies,
        })
    }
}
