//! The table of routes: path, method and scope stand in one place, and the document is made of it.

mod admin;
mod aggregations;
mod certificates;
mod dashboards;
mod exports;
mod health;
mod keys;
mod metrics;
mod policies;
pub mod sessions;
mod stream;
mod tool_access;
mod verify;
pub mod violations;

use axum::extract::Request;
use axum::middleware::{self, Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use domain::scope::Scope;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::path::{ParameterIn, PathItem, Paths};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::problem::Problem;
use crate::state::App;
use crate::{auth, observe, openapi};

/// Of the name of an unknown parameter, for its refusal.
const PARAMETER_BYTES_SHOWN_MAX: usize = 64;

/// Every operation of the service with the scope that opens it.
fn table(app: Option<&App>) -> OpenApiRouter<App> {
    use Scope::{
        Admin, CertificatesRead, EvidenceExport, EvidenceRead, EvidenceWrite, IngestWrite,
        PoliciesApprove, PoliciesRead, PoliciesWrite, ViolationsWrite,
    };
    let guarded = |scope, routes| guarded(app, scope, routes);
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(guarded(IngestWrite, routes!(sessions::start::start)))
        .routes(guarded(EvidenceRead, routes!(sessions::list::list)))
        .routes(guarded(EvidenceRead, routes!(sessions::get::get)))
        .routes(guarded(IngestWrite, routes!(sessions::append::append)))
        .routes(guarded(EvidenceRead, routes!(sessions::page::page)))
        .routes(guarded(IngestWrite, routes!(sessions::seal::seal)))
        .routes(guarded(EvidenceExport, routes!(sessions::export::export)))
        .routes(guarded(EvidenceRead, routes!(sessions::personal_data::list)))
        .routes(guarded(EvidenceRead, routes!(tool_access::of_session::list)))
        .routes(guarded(EvidenceRead, routes!(tool_access::of_tenant::list)))
        .routes(guarded(EvidenceRead, routes!(violations::list::list)))
        .routes(guarded(EvidenceRead, routes!(violations::get::get)))
        .routes(guarded(EvidenceRead, routes!(violations::actions::list)))
        .routes(guarded(ViolationsWrite, routes!(violations::commands::acknowledge)))
        .routes(guarded(ViolationsWrite, routes!(violations::commands::comment)))
        .routes(guarded(ViolationsWrite, routes!(violations::commands::escalate)))
        .routes(guarded(ViolationsWrite, routes!(violations::commands::resolve)))
        .routes(guarded(ViolationsWrite, routes!(violations::commands::reopen)))
        .routes(guarded(ViolationsWrite, routes!(violations::bulk::bulk)))
        .routes(streamed(app, routes!(stream::log::stream)))
        .routes(streamed(app, routes!(stream::session::stream)))
        .routes(guarded(EvidenceRead, routes!(stream::tickets::create)))
        .routes(guarded(EvidenceRead, routes!(stream::history::history)))
        .routes(guarded(EvidenceRead, routes!(aggregations::events_over_time::aggregate)))
        .routes(guarded(EvidenceRead, routes!(aggregations::tools::aggregate)))
        .routes(guarded(EvidenceRead, routes!(aggregations::agents::aggregate)))
        .routes(guarded(EvidenceRead, routes!(aggregations::sessions_by_class::aggregate)))
        .routes(guarded(EvidenceRead, routes!(aggregations::violations_by_policy::aggregate)))
        .routes(guarded(EvidenceRead, routes!(aggregations::violations_by_severity::aggregate)))
        .routes(guarded(EvidenceRead, routes!(aggregations::violations_by_actor::aggregate)))
        .routes(guarded(EvidenceRead, routes!(aggregations::sla::aggregate)))
        .routes(guarded(EvidenceRead, routes!(dashboards::compliance)))
        .routes(guarded(EvidenceExport, routes!(exports::evidence::request)))
        .routes(guarded(EvidenceRead, routes!(exports::evidence::get)))
        .routes(guarded(EvidenceExport, routes!(exports::evidence::download)))
        .routes(guarded(EvidenceExport, routes!(exports::bundles::request)))
        .routes(guarded(EvidenceRead, routes!(exports::bundles::get)))
        .routes(guarded(EvidenceExport, routes!(exports::bundles::download)))
        .routes(guarded(EvidenceWrite, routes!(exports::packs::request)))
        .routes(guarded(EvidenceRead, routes!(exports::packs::get)))
        .routes(guarded(EvidenceExport, routes!(exports::packs::download)))
        .routes(guarded(EvidenceRead, routes!(exports::audit::list)))
        .routes(guarded(EvidenceRead, routes!(verify::verify)))
        .routes(guarded(CertificatesRead, routes!(certificates::certificate)))
        .routes(guarded(CertificatesRead, routes!(keys::keys)))
        .routes(guarded(PoliciesWrite, routes!(policies::draft::draft)))
        .routes(guarded(PoliciesRead, routes!(policies::list::list)))
        .routes(guarded(PoliciesWrite, routes!(policies::validate::validate)))
        .routes(guarded(PoliciesRead, routes!(policies::schema::schema)))
        .routes(guarded(PoliciesRead, routes!(policies::document::document)))
        .routes(guarded(PoliciesRead, routes!(policies::versions::versions)))
        .routes(guarded(PoliciesRead, routes!(policies::diff::diff)))
        .routes(guarded(PoliciesRead, routes!(policies::get::get)))
        .routes(guarded(PoliciesWrite, routes!(policies::revise::revise)))
        .routes(guarded(PoliciesWrite, routes!(policies::submit::submit)))
        .routes(guarded(PoliciesApprove, routes!(policies::reject::reject)))
        .routes(guarded(PoliciesApprove, routes!(policies::activate::activate)))
        .routes(guarded(PoliciesApprove, routes!(policies::retire::retire)))
        .routes(guarded(PoliciesWrite, routes!(policies::backtests::start::start)))
        .routes(guarded(PoliciesRead, routes!(policies::backtests::list::list)))
        .routes(guarded(PoliciesRead, routes!(policies::backtests::get::get)))
        .routes(guarded(PoliciesWrite, routes!(policies::backtests::cancel::cancel)))
        .routes(guarded(Admin, routes!(admin::tenants::create)))
        .routes(guarded(Admin, routes!(admin::tenants::list)))
        .routes(guarded(Admin, routes!(admin::tenants::get)))
        .routes(guarded(Admin, routes!(admin::tenants::suspend)))
        .routes(guarded(Admin, routes!(admin::tenants::resume)))
        .routes(guarded(Admin, routes!(admin::keys::create)))
        .routes(guarded(Admin, routes!(admin::keys::list)))
        .routes(guarded(Admin, routes!(admin::keys::get)))
        .routes(guarded(Admin, routes!(admin::keys::revoke)))
        .routes(strict(routes!(keys::jwks)))
        .routes(strict(routes!(health::health)))
        .routes(strict(routes!(health::ready)))
        .routes(strict(routes!(metrics::metrics)))
}

/// The service, ready to be served.
pub fn router(app: &App) -> Router {
    let (router, document) = table(Some(app)).split_for_parts();
    let document = openapi::complete(document);
    // Without a validator: by default the page would ask one on the internet.
    let docs = utoipa_swagger_ui::SwaggerUi::new("/docs")
        .url("/openapi.json", document)
        .config(utoipa_swagger_ui::Config::default().validator_url("none"));
    router
        .merge(docs)
        .route("/", get(|| async { axum::response::Redirect::temporary("/docs") }))
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(middleware::from_fn(observe::observe))
        .layer(middleware::from_fn(observe::to_its_end))
        .with_state(app.clone())
}

/// The OpenAPI document of the same table, without anything behind it.
pub fn document() -> OpenApi {
    openapi::complete(table(None).split_for_parts().1)
}

/// Puts the guard before a route and the scope into its description: neither without the other.
fn guarded(
    app: Option<&App>,
    scope: Scope,
    (schemas, paths, router): UtoipaMethodRouter<App>,
) -> UtoipaMethodRouter<App> {
    let (schemas, paths, router) = strict((schemas, described(scope, paths), router));
    // Without an app there is no server to guard, only a document to write.
    let Some(app) = app else { return (schemas, paths, router) };
    let guard = from_fn_with_state((app.clone(), scope), auth::require);
    (schemas, paths, router.route_layer(guard))
}

/// The same for streams, which take a ticket or a cookie in the place of a key.
fn streamed(
    app: Option<&App>,
    (schemas, paths, router): UtoipaMethodRouter<App>,
) -> UtoipaMethodRouter<App> {
    let paths = described(Scope::EvidenceRead, paths);
    let Some(app) = app else { return (schemas, paths, router) };
    let guard = from_fn_with_state(app.clone(), auth::require_for_stream);
    (schemas, paths, router.route_layer(guard))
}

fn described(scope: Scope, mut paths: Paths) -> Paths {
    for item in paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let needs = ["bearer", "api_key"]
                .map(|scheme| SecurityRequirement::new(scheme, [scope.as_str()]));
            operation.security = Some(needs.to_vec());
        }
    }
    paths
}

/// Where an operation has parameters, its own type refuses unknown ones; where it has none, this does.
fn strict((schemas, paths, router): UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    if paths.paths.values().any(reads_query) {
        return (schemas, paths, router);
    }
    (schemas, paths, router.route_layer(middleware::from_fn(refuse_query)))
}

fn reads_query(item: &PathItem) -> bool {
    let operations = [&item.get, &item.post, &item.put, &item.patch, &item.delete];
    let parameters = operations.into_iter().flatten().filter_map(|o| o.parameters.as_ref());
    parameters
        .flatten()
        .any(|parameter| matches!(parameter, RefOr::T(p) if p.parameter_in == ParameterIn::Query))
}

async fn refuse_query(request: Request, next: Next) -> Response {
    let name = request.uri().query().and_then(|query| query.split(['=', '&']).next());
    match name.filter(|name| !name.is_empty()) {
        None => next.run(request).await,
        Some(name) => {
            let name = &name[..name.floor_char_boundary(PARAMETER_BYTES_SHOWN_MAX)];
            let detail = format!("unknown parameter `{name}`: this address takes none");
            Problem::query(detail).into_response()
        }
    }
}

/// A JSON answer that says where the command stands in the log.
pub(crate) fn json<T: serde::Serialize>(body: T) -> axum::response::Response {
    Json(body).into_response()
}
