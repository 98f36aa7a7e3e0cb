//! Who is asking, and whether the key opens this route.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use application::Metadata;
use application::keys::{Denial, KnownKey, PresentedKey};
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ids::TenantId;
use domain::scope::Scope;
use moka::future::Cache;
use projections::keys::Keys;

use crate::observe::CorrelationId;
use crate::problem::Problem;
use crate::state::App;

/// How long a revocation or suspension made elsewhere may go unnoticed.
const KEY_TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Keys (known and unknown ids) that are kept at hand.
const KEYS_CACHED_MAX: u64 = 10_000;

/// Finds keys, asking the database at most once a second for each.
pub struct Authenticator {
    keys: Keys,
    pepper: Arc<[u8]>,
    cache: Cache<String, Option<Arc<KnownKey>>>,
}

/// The caller of a guarded route; the tenant comes from the key alone.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: TenantId,
    pub key_id: String,
    pub correlation_id: String,
}

impl Caller {
    pub fn metadata(&self) -> Metadata {
        Metadata { actor: self.actor(), correlation_id: self.correlation_id.clone() }
    }

    pub fn actor(&self) -> String {
        format!("key:{}", self.key_id)
    }
}

impl Authenticator {
    pub fn new(keys: Keys, pepper: Arc<[u8]>) -> Self {
        let cache =
            Cache::builder().max_capacity(KEYS_CACHED_MAX).time_to_live(KEY_TRUSTED_FOR).build();
        Self { keys, pepper, cache }
    }

    async fn find(&self, id: &str) -> Result<Option<Arc<KnownKey>>, Problem> {
        if let Some(known) = self.cache.get(id).await {
            return Ok(known);
        }
        let load = async { Ok::<_, sqlx::Error>(self.keys.find(id).await?.map(Arc::new)) };
        self.cache.try_get_with_by_ref(id, load).await.map_err(Problem::internal)
    }

    async fn authenticate(
        &self,
        app: &App,
        headers: &HeaderMap,
        from: Option<IpAddr>,
    ) -> Result<Arc<KnownKey>, Problem> {
        let presented = presented(headers).and_then(PresentedKey::parse);
        let presented = presented.ok_or_else(unauthenticated)?;
        let known = self.find(presented.id).await?.ok_or_else(unauthenticated)?;
        let live = known.authenticate(&presented, &self.pepper, app.clock.now(), from);
        live.map_err(denied)?;
        Ok(known)
    }
}

/// `Authorization: Bearer …`, else `x-api-key`.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.unwrap_or_else(|| headers.get("x-api-key")?.to_str().ok())
}

/// The guard of a route: lets through who has the scope.
pub async fn require(
    State((app, scope)): State<(App, Scope)>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let key = match app.auth.authenticate(&app, request.headers(), from).await {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let mut response = match key.authorize(scope) {
        Err(denial) => denied(denial).into_response(),
        Ok(()) => {
            let correlation_id = request.extensions().get::<CorrelationId>();
            let caller = Caller {
                tenant: key.tenant,
                key_id: key.key_id.clone(),
                correlation_id: correlation_id.map(|c| c.0.clone()).unwrap_or_default(),
            };
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    };
    // For the log line of the outermost layer.
    response.extensions_mut().insert(key.tenant);
    response
}

fn denied(denial: Denial) -> Problem {
    match denial {
        Denial::Unauthenticated => unauthenticated(),
        Denial::TenantSuspended => {
            Problem::new(StatusCode::FORBIDDEN, "TENANT_SUSPENDED", "the tenant is suspended")
        }
        Denial::ScopeMissing => Problem::new(
            StatusCode::FORBIDDEN,
            "SCOPE_MISSING",
            "the key does not have the scope that this address asks for",
        ),
    }
}

fn unauthenticated() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "UNAUTHENTICATED",
        "a valid key is needed: Authorization: Bearer exh_…, or x-api-key",
    )
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        // Only routes behind the guard ask for a caller.
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthenticated)
    }
}
