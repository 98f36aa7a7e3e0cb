//! Names of policies, versions and backtests in paths: what cannot be one names nothing.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use domain::ids::parse_uuid;
use domain::policy::limits::VERSION_CHARS_MAX;
use uuid::Uuid;

use super::problem::{backtest_not_found, not_found};
use crate::problem::Problem;
use crate::state::App;

/// As long as versions, and longer than names, may be.
fn known(text: String) -> Option<String> {
    (text.len() <= VERSION_CHARS_MAX && !text.contains('\0')).then_some(text)
}

/// A policy.
pub struct NamePath(pub String);

impl FromRequestParts<App> for NamePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let name = Path::<String>::from_request_parts(parts, app).await;
        name.ok().and_then(|Path(name)| known(name)).map(Self).ok_or_else(not_found)
    }
}

/// A version of a policy.
pub struct VersionPath {
    pub name: String,
    pub version: String,
}

impl FromRequestParts<App> for VersionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let both = Path::<(String, String)>::from_request_parts(parts, app).await;
        let known = both.ok().and_then(|Path((name, version))| {
            Some(Self { name: known(name)?, version: known(version)? })
        });
        known.ok_or_else(not_found)
    }
}

/// A backtest.
pub struct BacktestPath(pub Uuid);

impl FromRequestParts<App> for BacktestPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let id = Path::<String>::from_request_parts(parts, app).await;
        let id = id.ok().and_then(|Path(id)| parse_uuid(&id));
        id.map(Self).ok_or_else(backtest_not_found)
    }
}
