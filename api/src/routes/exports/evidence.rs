//! `/v1/exports`: events by filter, as NDJSON with a detached signature.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::export::{Filters, Kind, Order};

use super::filter::SelectionRequest;
use super::{Accepted, DownloadQuery, ExportPath, ExportView, FilePath, accept, file, find};
use crate::auth::Caller;
use crate::extract::{JsonBody, Params, Taken};
use crate::problem::Problem;
use crate::state::App;

/// Ask for an evidence export.
#[utoipa::path(post, path = "/v1/exports", operation_id = "requestExport", tag = "exports",
    request_body = SelectionRequest,
    responses(
        (status = 202, description = "It is made soon: `links.self` says how far.",
         body = ExportView),
        (status = 429, description = "`EXPORTS_UNFINISHED`"),
    ))]
pub async fn request(
    State(app): State<App>,
    caller: Caller,
    JsonBody(request): JsonBody<SelectionRequest>,
) -> Result<Accepted, Problem> {
    let filters = request.filters()?;
    accept(&app, &caller, order(Kind::Evidence, "ndjson", filters, request.purpose)).await
}

/// Look at an evidence export.
#[utoipa::path(get, path = "/v1/exports/{export_id}", operation_id = "getExport", tag = "exports",
    params(("export_id" = uuid::Uuid, Path, description = "The export.")),
    responses(
        (status = 200, description = "How far it is, and its files.", body = ExportView),
        (status = 404, description = "`EXPORT_NOT_FOUND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    ExportPath(export): ExportPath,
) -> Result<Json<ExportView>, Problem> {
    find(&app, &caller, Kind::Evidence, export).await.map(Json)
}

/// Take a file of an evidence export away.
#[utoipa::path(get, path = "/v1/exports/{export_id}/files/{file_name}",
    operation_id = "downloadExportFile", tag = "exports",
    params(
        ("export_id" = uuid::Uuid, Path, description = "The export."),
        ("file_name" = String, Path, description = "The file."),
        DownloadQuery,
    ),
    responses(
        (status = 200, description = "The file.", content((String = "application/octet-stream"))),
        (status = 404, description = "`EXPORT_NOT_FOUND`, `EXPORT_FILE_NOT_FOUND`"),
        (status = 409, description = "`EXPORT_STATE`: it is not made yet, or has failed"),
        (status = 410, description = "`EXPORT_EXPIRED`"),
        (status = 503, description = "`EXPORT_FILE_ELSEWHERE`"),
    ))]
pub async fn download(
    State(app): State<App>,
    caller: Caller,
    _: Taken,
    path: FilePath,
    Params(query): Params<DownloadQuery>,
) -> Result<Response, Problem> {
    file::send(app, caller, Kind::Evidence, path, query.purpose).await
}

/// What is chosen by filters.
pub(super) fn order(kind: Kind, format: &str, filters: Filters, purpose: String) -> Order {
    let formats = vec![format.to_owned()];
    Order { kind, formats, session_id: None, filters, audience: None, purpose }
}
