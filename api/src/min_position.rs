//! `Exhibit-Min-Position`: a read that waits until it can see what a command has answered.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use domain::ids::TenantId;
use domain::log::parse_position;
use serde_json::json;
use tokio::time::Instant;

use crate::problem::Problem;
use crate::state::App;

const HEADER: HeaderName = HeaderName::from_static("exhibit-min-position");
/// A read waits so long.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// The position that a read must have reached, if it names one.
#[derive(Debug, Clone, Copy)]
pub struct MinPosition(Option<u64>);

impl FromRequestParts<App> for MinPosition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(HEADER) else { return Ok(Self(None)) };
        let position = value.to_str().ok().and_then(parse_position);
        let invalid = || Problem::request("Exhibit-Min-Position is not a position");
        position.map(|position| Self(Some(position))).ok_or_else(invalid)
    }
}

/// What a read reads from.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// The log itself, and what is written with it.
    Log,
    /// Read models, by name.
    Projections(&'static [&'static str]),
    /// The judge, and then the read model of what it has found.
    Judged,
}

/// What follows the log before violations can be read.
const JUDGE: Source = Source::Projections(&["judgement"]);
const VIOLATIONS: Source = Source::Projections(&["violations"]);

impl Source {
    /// Waits until the source has come so far, but not for ever. How far it has come.
    pub async fn reach(self, app: &App, tenant: TenantId, wanted: u64) -> sqlx::Result<u64> {
        if let Self::Judged = self {
            let judged = Box::pin(JUDGE.reach(app, tenant, wanted)).await?;
            // Violations stand in the log behind what has made them.
            let head = Self::Log.position(app, tenant).await?;
            let folded = Box::pin(VIOLATIONS.reach(app, tenant, head)).await?;
            return Ok(if folded >= head { judged } else { judged.min(folded) });
        }
        let end = Instant::now() + WAIT_MAX;
        loop {
            let reached = self.position(app, tenant).await?;
            if reached >= wanted || Instant::now() >= end {
                return Ok(reached);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn position(self, app: &App, tenant: TenantId) -> sqlx::Result<u64> {
        match self {
            Self::Log => Ok(app.reads.log_head(tenant).await?.map_or(0, |head| head.position)),
            Self::Judged => Box::pin(JUDGE.position(app, tenant)).await,
            Self::Projections(names) => {
                let mut reached = u64::MAX;
                for name in names {
                    reached = reached.min(app.reads.followed_to(tenant, name).await? as u64);
                }
                Ok(reached)
            }
        }
    }
}

impl MinPosition {
    /// Waits until the source has come so far.
    pub async fn wait_for(
        self,
        app: &App,
        tenant: TenantId,
        source: Source,
    ) -> Result<(), Problem> {
        let Some(wanted) = self.0 else { return Ok(()) };
        let reached = source.reach(app, tenant, wanted).await?;
        if reached >= wanted {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "READ_MODEL_BEHIND",
            "the read model has not come as far as the position that was asked for",
        )
        .with(json!({ "wanted": wanted, "reached": reached })))
    }
}
