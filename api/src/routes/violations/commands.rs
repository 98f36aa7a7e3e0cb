//! `POST /v1/violations/{violation_id}/{command}`: acknowledge, comment, escalate, resolve, reopen.
//!
//! Who does it is the key's holder, whatever the body says.

use axum::extract::State;
use axum::response::Response;
use domain::scope::Scope;
use domain::violation::Request;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, IntoResponses, ToSchema};
use uuid::Uuid;

use super::ViolationPath;
use super::get::find;
use super::view::ViolationView;
use crate::auth::Caller;
use crate::conditional;
use crate::extract::{JsonBody, OptionalBody};
use crate::if_match::IfMatch;
use crate::problem::Problem;
use crate::state::App;

/// Somebody is on it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    #[schema(min_length = 1, max_length = 4000)]
    comment: Option<String>,
}

/// Words for whoever reads the log.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentRequest {
    #[schema(min_length = 1, max_length = 4000)]
    comment: String,
}

/// Somebody else must know.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalateRequest {
    /// To whom.
    #[schema(min_length = 1, max_length = 256)]
    to: String,
    /// Why.
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
}

/// It is dealt with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// How.
    #[schema(min_length = 1, max_length = 4000)]
    resolution: String,
}

/// It is not dealt with after all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReopenRequest {
    /// Why.
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
}

impl From<AcknowledgeRequest> for Request {
    fn from(AcknowledgeRequest { comment }: AcknowledgeRequest) -> Self {
        Self::Acknowledge { comment }
    }
}

impl From<CommentRequest> for Request {
    fn from(CommentRequest { comment }: CommentRequest) -> Self {
        Self::Comment { comment }
    }
}

impl From<EscalateRequest> for Request {
    fn from(EscalateRequest { to, reason }: EscalateRequest) -> Self {
        Self::Escalate { to, reason }
    }
}

impl From<ResolveRequest> for Request {
    fn from(ResolveRequest { resolution }: ResolveRequest) -> Self {
        Self::Resolve { resolution }
    }
}

impl From<ReopenRequest> for Request {
    fn from(ReopenRequest { reason }: ReopenRequest) -> Self {
        Self::Reopen { reason }
    }
}

/// Which violation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what the extractor reads")]
struct Named {
    /// The violation.
    violation_id: Uuid,
}

/// What a command answers.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what the handlers answer")]
enum Answers {
    /// The violation; as it was when it was so already. A key without `evidence:read` gets id,
    /// status, version, escalation level and position alone.
    #[response(status = 200)]
    Done(#[to_schema] Box<ViolationView>),
    /// `VIOLATION_NOT_FOUND`
    #[response(status = 404)]
    NotFound,
    /// `VIOLATION_STATE`: `details.allowed` names what is possible.
    #[response(status = 409)]
    State,
    /// `PRECONDITION_FAILED`
    #[response(status = 412)]
    Precondition,
}

/// Acknowledge a violation.
#[utoipa::path(post, path = "/v1/violations/{violation_id}/acknowledge",
    operation_id = "acknowledgeViolation", tag = "violations", params(Named,
        ("If-Match" = Option<String>, Header, description = "The ETag that it must have.")),
    request_body = Option<AcknowledgeRequest>, responses(Answers))]
pub async fn acknowledge(
    State(app): State<App>,
    caller: Caller,
    ViolationPath(violation): ViolationPath,
    if_match: IfMatch,
    OptionalBody(request): OptionalBody<AcknowledgeRequest>,
) -> Result<Response, Problem> {
    execute(&app, &caller, violation, if_match, request.unwrap_or_default().into()).await
}

/// Comment on a violation.
#[utoipa::path(post, path = "/v1/violations/{violation_id}/comment",
    operation_id = "commentViolation", tag = "violations", params(Named,
        ("If-Match" = Option<String>, Header, description = "The ETag that it must have.")),
    request_body = CommentRequest, responses(Answers))]
pub async fn comment(
    State(app): State<App>,
    caller: Caller,
    ViolationPath(violation): ViolationPath,
    if_match: IfMatch,
    JsonBody(request): JsonBody<CommentRequest>,
) -> Result<Response, Problem> {
    execute(&app, &caller, violation, if_match, request.into()).await
}

/// Escalate a violation.
#[utoipa::path(post, path = "/v1/violations/{violation_id}/escalate",
    operation_id = "escalateViolation", tag = "violations", params(Named,
        ("If-Match" = Option<String>, Header, description = "The ETag that it must have.")),
    request_body = EscalateRequest, responses(Answers))]
pub async fn escalate(
    State(app): State<App>,
    caller: Caller,
    ViolationPath(violation): ViolationPath,
    if_match: IfMatch,
    JsonBody(request): JsonBody<EscalateRequest>,
) -> Result<Response, Problem> {
    execute(&app, &caller, violation, if_match, request.into()).await
}

/// Resolve a violation that was acknowledged.
#[utoipa::path(post, path = "/v1/violations/{violation_id}/resolve",
    operation_id = "resolveViolation", tag = "violations", params(Named,
        ("If-Match" = Option<String>, Header, description = "The ETag that it must have.")),
    request_body = ResolveRequest, responses(Answers))]
pub async fn resolve(
    State(app): State<App>,
    caller: Caller,
    ViolationPath(violation): ViolationPath,
    if_match: IfMatch,
    JsonBody(request): JsonBody<ResolveRequest>,
) -> Result<Response, Problem> {
    execute(&app, &caller, violation, if_match, request.into()).await
}

/// Reopen a violation that was resolved.
#[utoipa::path(post, path = "/v1/violations/{violation_id}/reopen",
    operation_id = "reopenViolation", tag = "violations", params(Named,
        ("If-Match" = Option<String>, Header, description = "The ETag that it must have.")),
    request_body = ReopenRequest, responses(Answers))]
pub async fn reopen(
    State(app): State<App>,
    caller: Caller,
    ViolationPath(violation): ViolationPath,
    if_match: IfMatch,
    JsonBody(request): JsonBody<ReopenRequest>,
) -> Result<Response, Problem> {
    execute(&app, &caller, violation, if_match, request.into()).await
}

async fn execute(
    app: &App,
    caller: &Caller,
    violation: Uuid,
    IfMatch(expected): IfMatch,
    request: Request,
) -> Result<Response, Problem> {
    let metadata = caller.metadata();
    app.violations.execute(caller.tenant, violation, request, expected, &metadata).await?;
    let view = find(app, caller.tenant, violation).await?;
    if caller.may(Scope::EvidenceRead) {
        return Ok(conditional::versioned(view.version, view));
    }
    // Who may act and not read learns what became of the command.
    let outcome = json!({
        "violation_id": violation, "status": view.status, "version": view.version,
        "escalation_level": view.escalation_level, "position": view.position,
    });
    Ok(conditional::versioned(view.version, outcome))
}
