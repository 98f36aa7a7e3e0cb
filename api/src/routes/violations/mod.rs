//! `/v1/violations`: what broke the policies, and what people do about it.

pub mod actions;
pub mod bulk;
pub mod commands;
pub mod get;
pub mod list;
mod view;

pub use view::ViolationView;

use application::CommandError;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use domain::ids::parse_uuid;
use domain::violation::ViolationError;
use serde_json::json;
use uuid::Uuid;

use crate::if_match::precondition_failed;
use crate::problem::Problem;
use crate::state::App;

/// What lists and commands read from.
pub(super) const SOURCE: crate::min_position::Source = crate::min_position::Source::Judged;

/// A violation named by the path; what is no id names none.
pub struct ViolationPath(pub Uuid);

impl FromRequestParts<App> for ViolationPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, app).await;
        let id = text.ok().and_then(|Path(text)| parse_uuid(&text));
        id.map(Self).ok_or_else(not_found)
    }
}

/// The same for a violation that does not exist and for one of another tenant.
fn not_found() -> Problem {
    ViolationError::NotFound.into()
}

impl From<ViolationError> for Problem {
    fn from(error: ViolationError) -> Self {
        let detail = error.to_string();
        match error {
            ViolationError::NotFound => {
                Self::new(StatusCode::NOT_FOUND, "VIOLATION_NOT_FOUND", detail)
            }
            ViolationError::State { command, status } => {
                Self::new(StatusCode::CONFLICT, "VIOLATION_STATE", detail).with(json!({
                    "command": command, "status": status, "allowed": status.allows(),
                }))
            }
            ViolationError::Text { .. } => Self::request(detail),
            ViolationError::Precondition => precondition_failed(detail),
        }
    }
}

impl From<CommandError<ViolationError>> for Problem {
    fn from(error: CommandError<ViolationError>) -> Self {
        match error {
            CommandError::Refused(error) => error.into(),
            CommandError::Conflict => Self::new(
                StatusCode::CONFLICT,
                "CONFLICT",
                "others are working on this violation faster than this request can: try again",
            ),
            CommandError::Port(error) => error.into(),
        }
    }
}
