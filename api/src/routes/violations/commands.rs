//! `POST /v1/violations/{violation_id}/{command}`: acknowledge, comment, escalate, resolve, reopen.
//!
//! Who does it is the key's holder, whatever the body says.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::violation::Request;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ViolationPath;
use super::get::find;
use super::view::ViolationView;
use crate::auth::Caller;
use crate::extract::{JsonBody, OptionalBody};
use crate::if_match::{self, IfMatch};
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

macro_rules! responses {
    ($(#[$doc:meta])* $path:literal, $id:literal, $body:ty, $name:ident, $argument:pat => $extractor:ty,
     $request:expr) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, operation_id = $id, tag = "violations",
            params(("violation_id" = uuid::Uuid, Path, description = "The violation."),
                ("If-Match" = Option<String>, Header, description = "The version that it must have.")),
            request_body = $body,
            responses(
                (status = 200, description = "The violation; as it was when it was so already.",
                    body = ViolationView),
                (status = 404, description = "`VIOLATION_NOT_FOUND`"),
                (status = 409, description = "`VIOLATION_STATE`: `details.allowed` names what is possible"),
                (status = 412, description = "`PRECONDITION_FAILED`"),
            ))]
        pub async fn $name(
            State(app): State<App>,
            caller: Caller,
            ViolationPath(violation): ViolationPath,
            if_match: IfMatch,
            $argument: $extractor,
        ) -> Result<Response, Problem> {
            execute(&app, &caller, violation, if_match, $request.into()).await
        }
    };
}

responses!(
    /// Acknowledge a violation.
    "/v1/violations/{violation_id}/acknowledge", "acknowledgeViolation", Option<AcknowledgeRequest>,
    acknowledge, OptionalBody(request) => OptionalBody<AcknowledgeRequest>,
    request.unwrap_or_default()
);
responses!(
    /// Comment on a violation.
    "/v1/violations/{violation_id}/comment", "commentViolation", CommentRequest,
    comment, JsonBody(request) => JsonBody<CommentRequest>, request
);
responses!(
    /// Escalate a violation.
    "/v1/violations/{violation_id}/escalate", "escalateViolation", EscalateRequest,
    escalate, JsonBody(request) => JsonBody<EscalateRequest>, request
);
responses!(
    /// Resolve a violation that was acknowledged.
    "/v1/violations/{violation_id}/resolve", "resolveViolation", ResolveRequest,
    resolve, JsonBody(request) => JsonBody<ResolveRequest>, request
);
responses!(
    /// Reopen a violation that was resolved.
    "/v1/violations/{violation_id}/reopen", "reopenViolation", ReopenRequest,
    reopen, JsonBody(request) => JsonBody<ReopenRequest>, request
);

async fn execute(
    app: &App,
    caller: &Caller,
    violation: uuid::Uuid,
    IfMatch(expected): IfMatch,
    request: Request,
) -> Result<Response, Problem> {
    let metadata = caller.metadata();
    app.violations.execute(caller.tenant, violation, request, expected, &metadata).await?;
    let view = find(app, caller.tenant, violation).await?;
    Ok(if_match::versioned(&HeaderMap::new(), view.version as u64, &view))
}
