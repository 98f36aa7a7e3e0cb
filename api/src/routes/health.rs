//! `GET /health` and `GET /ready`.

use std::time::Duration;

use application::PortError;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::App;

/// What a part gets to answer in: probes give up after some seconds.
const CHECK_WAIT_MAX: Duration = Duration::from_secs(2);

/// A read model that is further behind is not ready.
const LAG_SECONDS_MAX: f64 = 30.0;

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
    /// Of the binary.
    pub version: &'static str,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/health", operation_id = "health", tag = "service",
    responses((status = 200, description = "The process lives.", body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether requests can be served, part by part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether every part is.
    pub ready: bool,
    pub checks: Vec<Check>,
}

/// One part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// `database` (with its migrations at head), `signer` or `projections`.
    pub name: &'static str,
    pub ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether requests can be served.
#[utoipa::path(get, path = "/ready", operation_id = "ready", tag = "service",
    responses(
        (status = 200, description = "Everything is ready.", body = Readiness),
        (status = 503, description = "At least one part is not.", body = Readiness),
    ))]
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let (database, signer, projections) = tokio::join!(
        timely(app.database.check()),
        timely(app.signer.check()),
        timely(projections(&app)),
    );
    let checks = vec![
        check("database", &database),
        check("signer", &signer),
        match projections {
            Ok(faults) => Check {
                name: "projections",
                ready: faults.is_empty(),
                reason: (!faults.is_empty()).then(|| faults.join("; ")),
            },
            Err(error) => check("projections", &Err(error)),
        },
    ];
    let ready = checks.iter().all(|check| check.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks }))
}

/// What keeps a read model from being up to date.
async fn projections(app: &App) -> Result<Vec<String>, PortError> {
    let lags = app.runner.lag().await.map_err(|e| PortError::new("asking for the lag", e))?;
    let mut faults = Vec::new();
    for lag in lags {
        if let Some(stopped) = lag.stopped.first() {
            // The reason may name what a tenant has sent: it is for the log and the command line.
            faults.push(format!(
                "{} has stopped before event {}; `exhibit projections list` says why",
                lag.projection, stopped.position
            ));
        } else if lag.seconds > LAG_SECONDS_MAX {
            faults.push(format!("{} is {:.0} s behind", lag.projection, lag.seconds));
        }
    }
    Ok(faults)
}

/// Whoever asks does not wait for ever, so neither does the answer.
async fn timely<T>(check: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    let late = |_| PortError::new("a check", format!("no answer within {CHECK_WAIT_MAX:?}"));
    tokio::time::timeout(CHECK_WAIT_MAX, check).await.map_err(late)?
}

fn check(name: &'static str, result: &Result<(), PortError>) -> Check {
    // The cause may name hosts and files: it is for the log.
    let reason = result.as_ref().err().map(|error| {
        tracing::warn!(check = name, cause = %error, "not ready");
        format!("{} failed; the log says why", error.context)
    });
    Check { name, ready: result.is_ok(), reason }
}
