//! `POST /v1/sessions/{session_id}/events`: takes events in, all or none.

use application::sessions::SessionCall;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::evidence::dsse::Envelope;
use domain::evidence::intake::BodyForm;
use domain::evidence::refusal::Refusal;
use domain::ids::SessionId;
use domain::session::SessionError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::view::EnvelopeBody;
use crate::auth::Caller;
use crate::extract::{BodyFault, Params, body_problem, media_type, read_body, received_type};
use crate::problem::Problem;
use crate::routes;
use crate::state::App;

/// An event as a client sends it (evidence.md, section 1).
#[derive(Serialize, ToSchema)]
pub struct EventRequest {
    event_id: Uuid,
    /// The session of the path.
    session_id: Uuid,
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    sequence_number: i64,
    /// RFC 3339 with an offset; kept byte for byte.
    #[schema(example = "2026-03-01T10:00:00.120+01:00")]
    timestamp_wall: String,
    /// An agent type in upper case, or a dotted lower-case name.
    #[schema(example = "TOOL_CALL")]
    event_type: String,
    payload: Map<String, Value>,
    /// SHA-256 of the payload's RFC 8785 form; checked when it is sent.
    payload_hash: Option<String>,
    timestamp_monotonic: Option<f64>,
    #[schema(max_length = 64)]
    source_sdk_ver: Option<String>,
    #[schema(pattern = "^v0\\.[56]$")]
    schema_ver: Option<String>,
    #[schema(max_length = 256)]
    actor_id: Option<String>,
    /// `sdk` sessions only.
    prev_event_hash: Option<String>,
    /// `sdk` sessions only.
    event_hash: Option<String>,
    /// `sdk` sessions only: `sdk`.
    chain_authority: Option<String>,
}

/// Several events, stored all or none.
#[derive(Serialize, ToSchema)]
pub struct EventBatch {
    #[schema(min_items = 1, max_items = 1000)]
    events: Vec<EventRequest>,
}

/// One event, or several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventsBody {
    One(Box<EventRequest>),
    Many(EventBatch),
}

/// Options.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AppendQuery {
    /// Answer with a signed receipt.
    #[serde(default)]
    receipt: bool,
}

/// Events that were taken in.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppendAnswer {
    session_id: Uuid,
    /// Events of the request that were stored now.
    accepted: u64,
    /// Events of the request that were stored already.
    duplicates: u64,
    first_sequence: u64,
    last_sequence: u64,
    /// Hash of the chain's last event.
    final_hash: String,
    next_sequence: u64,
    /// Position in the tenant's log.
    position: u64,
    /// DSSE over `session_id`, `through_seq`, `final_hash`, `received_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EnvelopeBody>)]
    receipt: Option<Envelope>,
}

/// Append events.
#[utoipa::path(post, path = "/v1/sessions/{session_id}/events", operation_id = "appendEvents",
    tag = "sessions",
    params(("session_id" = Uuid, Path, description = "The session."), AppendQuery),
    request_body(content(
        (EventsBody = "application/json"), (String = "application/x-ndjson")
    )),
    responses(
        (status = 201, description = "All events are stored.", body = AppendAnswer),
        (status = 202, description = "Stored, and missing numbers filled.", body = AppendAnswer),
        (status = 200, description = "All were stored already.", body = AppendAnswer),
        (status = 404, description = "`INGEST_SESSION_NOT_FOUND`"),
        (status = 409, description = "`INGEST_SESSION_CLOSED`, `INGEST_INVALID_FIRST_SEQUENCE`, \
            `INGEST_SEQUENCE_REWIND`, `INGEST_LOG_GAP`, `INGEST_EVENT_ID_CONFLICT`, \
            `INGEST_POLICY_LIMIT`"),
        (status = 413, description = "`INGEST_BATCH_TOO_LARGE`"),
    ))]
pub async fn append(
    State(app): State<App>,
    caller: Caller,
    session: Result<Path<String>, PathRejection>,
    Params(query): Params<AppendQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (form, bytes) = read(&app, &parts.headers, body).await?;
    let session = session.map(|Path(text)| text).unwrap_or_default();
    let session = SessionId::parse(&session).ok_or_else(|| no_session(&session))?;
    let answer = store(&app, &caller, session, &bytes, form, query.receipt).await;
    answer.map_err(ingest_internal)
}

async fn read(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<(BodyForm, axum::body::Bytes), Problem> {
    let form = match media_type(headers).as_deref() {
        Some("application/json") => Ok(BodyForm::Json),
        Some("application/x-ndjson") => Ok(BodyForm::NdJson),
        _ => Err(Refusal::ContentType { received: received_type(headers) }),
    };
    let limit = app.limits.body_bytes_max;
    // Read before the refusal too: who still sends does not listen.
    let bytes = read_body(body, limit).await;
    let form = form.map_err(|why| Problem::from(SessionError::Refused(why.whole())))?;
    let bytes = bytes.map_err(|fault| match fault {
        BodyFault::TooLarge { received } => {
            let why = Refusal::TooLarge { what: "body in bytes", limit: limit as u64, received };
            SessionError::Refused(why.whole()).into()
        }
        other => body_problem(other, limit),
    })?;
    Ok((form, bytes))
}

async fn store(
    app: &App,
    caller: &Caller,
    session: SessionId,
    bytes: &[u8],
    form: BodyForm,
    receipt: bool,
) -> Result<Response, Problem> {
    let call = SessionCall { tenant: caller.tenant, session, metadata: caller.metadata() };
    let appended = app.sessions.append(&call, bytes, form).await?;
    let receipt =
        if receipt { Some(app.sessions.receipt(session, &appended).await?) } else { None };
    let status = match (appended.accepted, appended.filled) {
        (0, _) => StatusCode::OK,
        (_, 0) => StatusCode::CREATED,
        _ => StatusCode::ACCEPTED,
    };
    let answer = AppendAnswer {
        session_id: session.0,
        accepted: appended.accepted,
        duplicates: appended.duplicates,
        first_sequence: appended.first_sequence,
        last_sequence: appended.last_sequence,
        final_hash: appended.final_hash.to_string(),
        next_sequence: appended.next_sequence,
        position: appended.position,
        receipt,
    };
    Ok((status, routes::json(answer)).into_response())
}

/// What is no session id is answered like a session that does not exist.
fn no_session(text: &str) -> Problem {
    let why = Refusal::SessionNotFound { session_id: SessionId(Uuid::nil()) };
    Problem::new(StatusCode::NOT_FOUND, why.code(), why.to_string())
        .with(json!({ "session_id": text }))
}

/// Failures inside have a code of their own here.
fn ingest_internal(mut problem: Problem) -> Problem {
    if problem.code == "INTERNAL_ERROR" {
        problem.code = "INGEST_INTERNAL_ERROR";
    }
    problem
}
