//! `POST /v1/violations/bulk`: one command on many violations, each answered by itself.

use axum::Json;
use axum::extract::State;
use domain::scope::Scope;
use domain::violation::Request;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::list::{ListFilter, filter_of};
use crate::auth::{Caller, scope_missing};
use crate::extract::JsonBody;
use crate::problem::Problem;
use crate::state::App;

/// Violations of one request.
const VIOLATIONS_MAX: usize = 500;

/// Which violations, and what is done about each.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// These violations, up to 500; or else `filter`.
    #[schema(max_items = 500)]
    ids: Option<Vec<Uuid>>,
    /// The violations that a list with these filters shows, up to 500, the latest first; needs
    /// `evidence:read`, as that list does.
    filter: Option<ListFilter>,
    command: BulkCommand,
}

/// A command with what belongs to it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum BulkCommand {
    Acknowledge { comment: Option<String> },
    Comment { comment: String },
    Escalate { to: String, reason: String },
    Resolve { resolution: String },
    Reopen { reason: String },
}

/// What became of each, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkAnswer {
    results: Vec<BulkResult>,
    /// With `filter`: more violations match than one request takes.
    more: bool,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkResult {
    violation_id: Uuid,
    /// `done`, `unchanged` (it was so already) or `refused`.
    outcome: &'static str,
    /// Of the violation, unless it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Why it was refused: what the single command would have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
    /// In the tenant's log, when something was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
}

impl From<BulkCommand> for Request {
    fn from(command: BulkCommand) -> Self {
        match command {
            BulkCommand::Acknowledge { comment } => Self::Acknowledge { comment },
            BulkCommand::Comment { comment } => Self::Comment { comment },
            BulkCommand::Escalate { to, reason } => Self::Escalate { to, reason },
            BulkCommand::Resolve { resolution } => Self::Resolve { resolution },
            BulkCommand::Reopen { reason } => Self::Reopen { reason },
        }
    }
}

/// Do the same to many violations.
#[utoipa::path(post, path = "/v1/violations/bulk", operation_id = "bulkViolations",
    tag = "violations", request_body = BulkRequest,
    responses(
        (status = 200, description = "What became of each.", body = BulkAnswer),
        (status = 400, description = "`REQUEST_INVALID`"),
    ))]
pub async fn bulk(
    State(app): State<App>,
    caller: Caller,
    JsonBody(request): JsonBody<BulkRequest>,
) -> Result<Json<BulkAnswer>, Problem> {
    let (ids, more) = match (request.ids, request.filter) {
        (Some(ids), None) if ids.len() <= VIOLATIONS_MAX => (ids, false),
        (Some(_), None) => {
            return Err(Problem::request(format!("ids are at most {VIOLATIONS_MAX}")));
        }
        (None, Some(_)) if !caller.may(Scope::EvidenceRead) => return Err(scope_missing()),
        (None, Some(filter)) => {
            let (filter, limit) = (filter_of(filter)?, VIOLATIONS_MAX as i64 + 1);
            let now = app.clock.now();
            let views = app.reads.violations(caller.tenant, &filter, now, None, limit).await?;
            let more = views.len() > VIOLATIONS_MAX;
            (views.into_iter().take(VIOLATIONS_MAX).map(|v| v.violation_id).collect(), more)
        }
        _ => return Err(Problem::request("either ids or filter is needed")),
    };
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        results.push(one(&app, &caller, id, request.command.clone().into()).await?);
    }
    Ok(Json(BulkAnswer { results, more }))
}

/// A refusal is an answer; a failure of the machinery ends the request.
async fn one(
    app: &App,
    caller: &Caller,
    violation_id: Uuid,
    request: Request,
) -> Result<BulkResult, Problem> {
    let metadata = caller.metadata();
    let done = app.violations.execute(caller.tenant, violation_id, request, None, &metadata).await;
    let refused = BulkResult {
        violation_id,
        outcome: "refused",
        status: None,
        code: None,
        detail: None,
        details: None,
        position: None,
    };
    match done.map_err(Problem::from) {
        Ok(committed) => Ok(BulkResult {
            outcome: if committed.events.is_empty() { "unchanged" } else { "done" },
            status: committed.state.found.map(|found| found.status.as_str()),
            position: committed.position,
            ..refused
        }),
        Err(problem) if problem.status.is_server_error() => Err(problem),
        Err(problem) => Ok(BulkResult {
            code: Some(problem.code),
            detail: Some(problem.detail.into_owned()),
            details: problem.details,
            ..refused
        }),
    }
}
