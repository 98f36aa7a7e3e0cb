//! `/v1/bundles`: violations and what belongs to them, as tables and as a report.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::export::Kind;

use super::evidence::order;
use super::filter::SelectionRequest;
use super::{Accepted, DownloadQuery, ExportPath, ExportView, FilePath, accept, file, find};
use crate::auth::Caller;
use crate::extract::{JsonBody, Params, Taken};
use crate::problem::Problem;
use crate::state::App;

/// Ask for a report bundle.
#[utoipa::path(post, path = "/v1/bundles", operation_id = "requestBundle", tag = "exports",
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
    accept(&app, &caller, order(Kind::Bundle, "bundle", filters, request.purpose)).await
}

/// Look at a report bundle.
#[utoipa::path(get, path = "/v1/bundles/{bundle_id}", operation_id = "getBundle", tag = "exports",
    params(("bundle_id" = uuid::Uuid, Path, description = "The bundle.")),
    responses(
        (status = 200, description = "How far it is, and its files.", body = ExportView),
        (status = 404, description = "`EXPORT_NOT_FOUND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    ExportPath(export): ExportPath,
) -> Result<Json<ExportView>, Problem> {
    find(&app, &caller, Kind::Bundle, export).await.map(Json)
}

/// Take a file of a report bundle away.
#[utoipa::path(get, path = "/v1/bundles/{bundle_id}/files/{file_name}",
    operation_id = "downloadBundleFile", tag = "exports",
    params(
        ("bundle_id" = uuid::Uuid, Path, description = "The bundle."),
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
    file::send(app, caller, Kind::Bundle, path, query.purpose).await
}
