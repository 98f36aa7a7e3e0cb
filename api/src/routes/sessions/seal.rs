//! `POST /v1/sessions/{session_id}/seal`: closes the chain with a signed seal.

use application::sessions::SessionCall;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::ids::SessionId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::EnvelopeBody;
use crate::auth::Caller;
use crate::extract::{OptionalBody, SessionPath};
use crate::problem::Problem;
use crate::routes;
use crate::state::App;

/// How the session is sealed; no body is the same as an empty object.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealRequest {
    /// Seal although there is no `SESSION_END`; the class is then PARTIAL.
    #[serde(default)]
    incomplete: bool,
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

const REASON_CHARS_MAX: usize = 1024;

/// A sealed session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SealAnswer {
    session_id: Uuid,
    /// `sealed`.
    status: &'static str,
    evidence_class: String,
    partial_reasons: Vec<String>,
    /// Payload of the `CHAIN_SEAL` event.
    #[schema(value_type = Object)]
    seal: Value,
    seal_event_hash: String,
    #[schema(value_type = EnvelopeBody)]
    envelope: Value,
    position: u64,
}

/// Seal a session.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/seal", operation_id = "sealSession",
    tag = "sessions", params(("session_id" = Uuid, Path, description = "The session.")),
    request_body(content = Option<SealRequest>),
    responses(
        (status = 201, description = "The session is sealed now.", body = SealAnswer),
        (status = 200, description = "It was sealed before: the same seal.", body = SealAnswer),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
        (status = 409, description = "`SESSION_EMPTY`, `SESSION_INCOMPLETE`"),
    ))]
pub async fn seal(
    State(app): State<App>,
    caller: Caller,
    SessionPath(session): SessionPath,
    OptionalBody(request): OptionalBody<SealRequest>,
) -> Result<Response, Problem> {
    let request = request.unwrap_or_default();
    if request.reason.as_ref().is_some_and(|r| r.chars().count() > REASON_CHARS_MAX) {
        return Err(Problem::request(format!("reason exceeds {REASON_CHARS_MAX} characters")));
    }
    let call = SessionCall { tenant: caller.tenant, session, metadata: caller.metadata() };
    let sealed = app.sessions.seal(&call, request.incomplete, request.reason).await?;
    let status = if sealed.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let answer = answer(&app, &caller, session).await?;
    Ok((status, routes::json(answer)).into_response())
}

async fn answer(app: &App, caller: &Caller, session: SessionId) -> Result<SealAnswer, Problem> {
    let Some(row) = app.reads.seal(caller.tenant, session).await? else {
        // An `sdk` session that its client has sealed: there is a seal event, but none of ours.
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "SESSION_SEALED_BY_CLIENT",
            "the session was sealed by its client; the server has no seal of it",
        )
        .with(json!({ "session_id": session })));
    };
    Ok(SealAnswer {
        session_id: session.0,
        status: "sealed",
        evidence_class: row.evidence_class,
        partial_reasons: row.partial_reasons,
        seal: row.seal,
        seal_event_hash: row.seal_event_hash.to_string(),
        envelope: row.envelope,
        position: row.position,
    })
}
