//! `GET /v1/keys` and `GET /.well-known/jwks.json`: the public keys that seals verify under.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use domain::evidence::jwk::JwkSet;
use infrastructure::keyring::public_keys;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::state::App;

/// A JWK set (RFC 7517) of Ed25519 keys (RFC 8037).
#[derive(Serialize, ToSchema)]
#[schema(title = "JwkSet")]
pub struct JwkSetBody {
    #[schema(value_type = Vec<JwkBody>)]
    pub keys: Vec<domain::evidence::jwk::Jwk>,
}

/// One public key and the window, in seconds since 1970, in which it signed.
#[derive(Serialize, ToSchema)]
#[schema(title = "Jwk")]
pub struct JwkBody {
    pub kty: String,
    pub crv: String,
    pub x: String,
    #[serde(rename = "use")]
    pub purpose: Option<String>,
    pub alg: Option<String>,
    pub kid: String,
    pub nbf: Option<i64>,
    pub exp: Option<i64>,
}

/// The keys that sign and have signed seals.
#[utoipa::path(get, path = "/v1/keys", operation_id = "listSealKeys", tag = "certificates",
    responses((status = 200, description = "Current and retired keys.", body = JwkSetBody)))]
pub async fn keys(State(app): State<App>) -> Result<Json<JwkSetBody>, Problem> {
    let JwkSet { keys } = public_keys(&app.database.server).await?;
    Ok(Json(JwkSetBody { keys }))
}

/// The same for anyone, where verifiers look for it.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "certificates",
    responses((status = 200, description = "Current and retired keys.", body = JwkSetBody)))]
pub async fn jwks(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let body = keys(State(app)).await?;
    Ok(([(header::CACHE_CONTROL, "public, max-age=60")], body))
}
