//! What goes wrong with exports.

use application::CommandError;
use axum::http::StatusCode;
use domain::export::{ExportError, Status};
use serde_json::json;

use crate::problem::Problem;

/// The same for an export that does not exist, one of another kind and one of another tenant.
pub(super) fn not_found() -> Problem {
    ExportError::NotFound.into()
}

/// A file that was removed at the end of its time.
pub(super) fn gone() -> Problem {
    let detail = "the files were removed at the end of their time: ask for the export again";
    Problem::new(StatusCode::GONE, "EXPORT_EXPIRED", detail)
}

/// A file that this server's data folder does not have: servers of one database share the folder.
pub(super) fn elsewhere() -> Problem {
    let detail =
        "this server does not have the file: servers that share a database share its folder";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "EXPORT_FILE_ELSEWHERE", detail)
}

pub(super) fn too_many(max: i64) -> Problem {
    let detail = format!("{max} exports of this tenant are not made yet: wait for some of them");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "EXPORTS_UNFINISHED", detail)
}

/// A link of a pack that was not given out, or was, too long ago.
pub(super) fn link_expired() -> Problem {
    let detail = "the link is not valid any more: GET the evidence pack for a new one";
    Problem::new(StatusCode::FORBIDDEN, "LINK_EXPIRED", detail)
}

/// The same where the purpose stood in the query.
pub fn of_query(error: CommandError<ExportError>) -> Problem {
    match error {
        CommandError::Refused(error @ ExportError::Purpose) => Problem::query(error.to_string()),
        other => other.into(),
    }
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        let detail = error.to_string();
        match error {
            ExportError::NotFound => Self::new(StatusCode::NOT_FOUND, "EXPORT_NOT_FOUND", detail),
            ExportError::NoSuchFile => {
                Self::new(StatusCode::NOT_FOUND, "EXPORT_FILE_NOT_FOUND", detail)
            }
            ExportError::Purpose | ExportError::Precision | ExportError::Period => {
                Self::request(detail)
            }
            ExportError::State(Status::Expired) => gone(),
            ExportError::State(status) => Self::new(StatusCode::CONFLICT, "EXPORT_STATE", detail)
                .with(json!({ "status": status })),
        }
    }
}

impl From<CommandError<ExportError>> for Problem {
    fn from(error: CommandError<ExportError>) -> Self {
        match error {
            CommandError::Refused(error) => error.into(),
            CommandError::Conflict => Self::new(
                StatusCode::CONFLICT,
                "CONFLICT",
                "others are taking this export away faster than this request can: try again",
            ),
            CommandError::Port(error) => error.into(),
        }
    }
}
