//! `/v1/exports`, `/v1/bundles`, `/v1/evidence-packs`: what is made in the background and taken away
//! in files; `/v1/export-audit`: who took what.

pub mod audit;
pub mod bundles;
pub mod evidence;
mod file;
mod filter;
pub mod packs;
mod problem;
mod view;

use application::exports::Requested;
use axum::Json;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use domain::export::{Kind, Order};
use domain::ids::parse_uuid;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

pub use problem::of_query;
pub use view::ExportView;

use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::App;
use problem::{not_found, too_many};

/// Exports of one tenant that wait or are being made.
const UNFINISHED_MAX: i64 = 100;

/// An export named by the path; what is no id names none.
pub struct ExportPath(pub Uuid);

impl FromRequestParts<App> for ExportPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, app).await;
        let id = text.ok().and_then(|Path(text)| parse_uuid(&text));
        id.map(Self).ok_or_else(not_found)
    }
}

/// A file of an export.
pub struct FilePath {
    pub export: Uuid,
    pub name: String,
}

impl FromRequestParts<App> for FilePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let texts = Path::<(String, String)>::from_request_parts(parts, app).await;
        let Ok(Path((id, name))) = texts else { return Err(not_found()) };
        let export = parse_uuid(&id).ok_or_else(not_found)?;
        Ok(Self { export, name })
    }
}

/// For what a file is taken away.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DownloadQuery {
    /// Why the file leaves; the purpose of the export when absent.
    #[param(min_length = 1, max_length = 256)]
    purpose: Option<String>,
}

type Accepted = (StatusCode, [(HeaderName, String); 1], Json<ExportView>);

/// Writes down what is asked for; a server makes it soon.
async fn accept(app: &App, caller: &Caller, order: Order) -> Result<Accepted, Problem> {
    if app.reads.unfinished_exports(caller.tenant).await? >= UNFINISHED_MAX {
        return Err(too_many(UNFINISHED_MAX));
    }
    let kind = order.kind;
    let Requested { id, .. } =
        app.exports.request(caller.tenant, order, &caller.metadata()).await?;
    let view = find(app, caller, kind, id).await?;
    let location = [(header::LOCATION, view.links.this.clone())];
    Ok((StatusCode::ACCEPTED, location, Json(view)))
}

/// One of the caller's.
async fn find(app: &App, caller: &Caller, kind: Kind, id: Uuid) -> Result<ExportView, Problem> {
    let row = app.reads.export(caller.tenant, kind.as_str(), id).await?;
    ExportView::of(app, caller.tenant, row.ok_or_else(not_found)?)
}
