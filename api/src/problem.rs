//! The one error of the edge: RFC 9457 problem documents with a stable code.
//!
//! A problem travels as a response extension; the outermost layer writes its body, because only
//! that layer knows the request's path and correlation id. Causes are logged there, never sent.

use std::borrow::Cow;

use application::{CommandError, PortError};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::evidence::refusal::Refusal;
use domain::session::SessionError;
use domain::tenant::TenantError;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What went wrong, before it is written.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: Cow<'static, str>,
    pub details: Option<Value>,
    /// For the log alone.
    pub cause: Option<String>,
}

/// A problem as it is sent (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Problem")]
pub struct ProblemBody<'a> {
    /// Stable relative URI of the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence in words.
    pub detail: &'a str,
    /// The path that was asked for.
    pub instance: &'a str,
    /// Stable, upper case: what programs decide by.
    pub code: &'a str,
    /// Follows the request through logs and events.
    pub correlation_id: &'a str,
    /// What the code's row in the documentation names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<&'a Value>,
}

impl Problem {
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, detail: detail.into(), details: None, cause: None }
    }

    #[must_use]
    pub fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// A failure inside: the cause goes to the log, the client gets a correlation id.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let mut problem = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            "the request failed inside the server; the correlation id finds the cause in its log",
        );
        problem.cause = Some(cause.to_string());
        problem
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this address")
    }

    /// The same for a session that does not exist and for one of another tenant.
    pub fn session_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "SESSION_NOT_FOUND", "there is no such session")
    }

    pub fn query(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "QUERY_INVALID", detail)
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "the address does not take this method",
        )
    }

    pub fn cursor() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "CURSOR_INVALID",
            "the cursor is not one that this list has given out",
        )
    }

    pub fn request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "REQUEST_INVALID", detail)
    }

    /// The document, with what only the outermost layer knows.
    pub fn body<'a>(&'a self, instance: &'a str, correlation_id: &'a str) -> ProblemBody<'a> {
        ProblemBody {
            kind: format!("/problems/{}", self.code.to_ascii_lowercase().replace('_', "-")),
            title: title(self.code),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            code: self.code,
            correlation_id,
            details: self.details.as_ref(),
        }
    }
}

/// `INGEST_LOG_GAP` → `Ingest log gap`.
fn title(code: &str) -> String {
    let words = code.to_ascii_lowercase().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        Self::internal(error)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::internal(format!("reading: {error}"))
    }
}

impl From<CommandError<SessionError>> for Problem {
    fn from(error: CommandError<SessionError>) -> Self {
        match error {
            CommandError::Refused(error) => error.into(),
            CommandError::Conflict => Self::new(
                StatusCode::CONFLICT,
                "CONFLICT",
                "others are changing this session faster than this request can: try again",
            ),
            CommandError::Port(error) => error.into(),
        }
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        let detail = error.to_string();
        match error {
            SessionError::NotFound => Self::session_not_found(),
            SessionError::Exists => Self::new(StatusCode::CONFLICT, "SESSION_EXISTS", detail),
            SessionError::Empty => Self::new(StatusCode::CONFLICT, "SESSION_EMPTY", detail),
            SessionError::Incomplete => {
                Self::new(StatusCode::CONFLICT, "SESSION_INCOMPLETE", detail)
            }
            SessionError::Moved => Self::new(StatusCode::CONFLICT, "CONFLICT", detail),
            SessionError::Refused(refusal) => {
                Self::new(ingest_status(&refusal.why), refusal.why.code(), detail)
                    .with(refusal.details())
            }
        }
    }
}

/// The status of each code of evidence.md, section 3.
pub fn ingest_status(why: &Refusal) -> StatusCode {
    match why {
        Refusal::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::Json { .. }
        | Refusal::AuthorityLeak { .. }
        | Refusal::Schema(_)
        | Refusal::Timestamp { .. }
        | Refusal::Jcs { .. }
        | Refusal::PayloadHash { .. } => StatusCode::BAD_REQUEST,
        Refusal::SessionNotFound { .. } => StatusCode::NOT_FOUND,
        Refusal::SessionClosed { .. }
        | Refusal::InvalidFirstSequence { .. }
        | Refusal::SequenceRewind { .. }
        | Refusal::LogGap { .. }
        | Refusal::EventIdConflict { .. }
        | Refusal::PolicyLimit { .. } => StatusCode::CONFLICT,
    }
}

impl From<CommandError<TenantError>> for Problem {
    fn from(error: CommandError<TenantError>) -> Self {
        match error {
            CommandError::Refused(error) => error.into(),
            CommandError::Conflict => Self::new(
                StatusCode::CONFLICT,
                "CONFLICT",
                "the tenant has changed meanwhile: try again",
            ),
            CommandError::Port(error) => error.into(),
        }
    }
}

impl From<TenantError> for Problem {
    fn from(error: TenantError) -> Self {
        let detail = error.to_string();
        match error {
            TenantError::NotFound => Self::new(StatusCode::NOT_FOUND, "TENANT_NOT_FOUND", detail),
            TenantError::KeyNotFound => Self::new(StatusCode::NOT_FOUND, "KEY_NOT_FOUND", detail),
            TenantError::Exists | TenantError::KeyExists | TenantError::TooManyKeys => {
                Self::new(StatusCode::CONFLICT, "TENANT_STATE", detail)
            }
            TenantError::Name | TenantError::Label | TenantError::NoScope | TenantError::Expiry => {
                Self::request(detail)
            }
        }
    }
}

impl From<domain::evidence::json::JsonError> for Problem {
    fn from(error: domain::evidence::json::JsonError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "JSON_INVALID", format!("the body is not JSON: {error}"))
            .with(json!({ "line": error.line, "column": error.column }))
    }
}
