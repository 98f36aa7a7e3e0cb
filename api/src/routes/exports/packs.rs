//! `/v1/evidence-packs`: one session in several formats, for another party.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::export::{Audience, Filters, Kind, Order};
use domain::ids::{SessionId, TenantId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::problem::link_expired;
use super::{Accepted, ExportPath, ExportView, FilePath, accept, file, find};
use crate::auth::Caller;
use crate::extract::{JsonBody, Params, Taken};
use crate::problem::Problem;
use crate::state::App;

/// Which session, how, for whom and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackRequest {
    session_id: Uuid,
    /// Each once: `json`, `jsonl`, `pdf`.
    #[schema(min_items = 1, max_items = 3)]
    formats: Vec<PackFormat>,
    /// `INTERNAL`, `PARTNER` or `REGULATOR`. It is written down, and leaves nothing out.
    #[schema(value_type = String, pattern = "^(INTERNAL|PARTNER|REGULATOR)$")]
    audience: Audience,
    /// Why the evidence leaves: stands in it and in the audit.
    #[schema(min_length = 1, max_length = 256)]
    purpose: String,
}

/// A form of the session's evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PackFormat {
    Json,
    Jsonl,
    Pdf,
}

/// What a link of a pack carries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LinkQuery {
    /// As the pack's `href` has it.
    link: String,
    /// Why the file leaves; the purpose of the pack when absent.
    #[param(min_length = 1, max_length = 256)]
    purpose: Option<String>,
}

/// Ask for an evidence pack.
#[utoipa::path(post, path = "/v1/evidence-packs", operation_id = "requestEvidencePack",
    tag = "exports", request_body = PackRequest,
    responses(
        (status = 202, description = "It is made soon: `links.self` says how far.",
         body = ExportView),
        (status = 404, description = "`SESSION_NOT_FOUND`"),
        (status = 429, description = "`EXPORTS_UNFINISHED`"),
    ))]
pub async fn request(
    State(app): State<App>,
    caller: Caller,
    JsonBody(request): JsonBody<PackRequest>,
) -> Result<Accepted, Problem> {
    let PackRequest { session_id, formats, audience, purpose } = request;
    let session = SessionId(session_id);
    app.reads.session(caller.tenant, session).await?.ok_or_else(Problem::session_not_found)?;
    let order = Order {
        kind: Kind::Pack,
        formats: names(&formats)?,
        session_id: Some(session),
        filters: Filters::default(),
        audience: Some(audience),
        purpose,
    };
    accept(&app, &caller, order).await
}

fn names(formats: &[PackFormat]) -> Result<Vec<String>, Problem> {
    let all = [(PackFormat::Json, "json"), (PackFormat::Jsonl, "jsonl"), (PackFormat::Pdf, "pdf")];
    let asked = all.iter().filter(|(format, _)| formats.contains(format));
    let names: Vec<String> = asked.map(|(_, name)| (*name).to_owned()).collect();
    if names.is_empty() || names.len() != formats.len() {
        return Err(Problem::request("formats names at least one format, and each once"));
    }
    Ok(names)
}

/// Look at an evidence pack.
#[utoipa::path(get, path = "/v1/evidence-packs/{pack_id}", operation_id = "getEvidencePack",
    tag = "exports",
    params(("pack_id" = uuid::Uuid, Path, description = "The pack.")),
    responses(
        (status = 200, description = "How far it is, and its files with links that expire.",
         body = ExportView),
        (status = 404, description = "`EXPORT_NOT_FOUND`"),
    ))]
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    ExportPath(pack): ExportPath,
) -> Result<Json<ExportView>, Problem> {
    find(&app, &caller, Kind::Pack, pack).await.map(Json)
}

/// Take a file of an evidence pack away, by a link that has not expired.
#[utoipa::path(get, path = "/v1/evidence-packs/{pack_id}/files/{file_name}",
    operation_id = "downloadEvidencePackFile", tag = "exports",
    params(
        ("pack_id" = uuid::Uuid, Path, description = "The pack."),
        ("file_name" = String, Path, description = "The file."),
        LinkQuery,
    ),
    responses(
        (status = 200, description = "The file.", content((String = "application/octet-stream"))),
        (status = 403, description = "`LINK_EXPIRED`"),
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
    Params(query): Params<LinkQuery>,
) -> Result<Response, Problem> {
    // First whether it is the caller's at all: what is another's has no links.
    find(&app, &caller, Kind::Pack, path.export).await?;
    let of = name_of_link(caller.tenant, path.export, &path.name);
    let until: Result<DateTime<Utc>, Problem> = app.cursors.open(&of, &query.link);
    if until.map_err(|_| link_expired())? <= app.clock.now() {
        return Err(link_expired());
    }
    file::send(app, caller, Kind::Pack, path, query.purpose).await
}

/// What a link to a file carries: until when it works. The key is still asked for.
pub(super) fn link(
    app: &App,
    tenant: TenantId,
    pack: Uuid,
    file: &str,
    until: DateTime<Utc>,
) -> Result<String, Problem> {
    app.cursors.seal(&name_of_link(tenant, pack, file), &until)
}

fn name_of_link(tenant: TenantId, pack: Uuid, file: &str) -> String {
    format!("pack:{tenant}:{pack}:{file}")
}
