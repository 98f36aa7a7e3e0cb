//! Who is asking, and whether the key opens this route.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use application::Metadata;
use application::keys::{Denial, KnownKey, PresentedKey, secret_hash};
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use domain::hash::Hash;
use domain::ids::TenantId;
use domain::scope::Scope;
use moka::future::Cache;
use projections::keys::Keys;
use subtle::ConstantTimeEq;

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
    scopes: Vec<Scope>,
}

impl Caller {
    fn of(key: &KnownKey, request: &Request) -> Self {
        let correlation_id = request.extensions().get::<CorrelationId>();
        Self {
            tenant: key.tenant,
            key_id: key.key_id.clone(),
            scopes: key.scopes.clone(),
            correlation_id: correlation_id.map(|c| c.0.clone()).unwrap_or_default(),
        }
    }

    pub fn metadata(&self) -> Metadata {
        Metadata { actor: self.actor(), correlation_id: self.correlation_id.clone() }
    }

    /// Whether the key may do more than its route asks for.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
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

    /// A key, else a ticket, else the cookie.
    async fn authenticate_stream(
        &self,
        app: &App,
        headers: &HeaderMap,
        ticket: Option<Hash>,
        from: Option<IpAddr>,
    ) -> Result<Arc<KnownKey>, Problem> {
        if headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key") {
            return self.authenticate(app, headers, from).await;
        }
        let now = app.clock.now();
        let key_id = match ticket {
            Some(ticket) => app.tickets.redeem(&ticket, now).await?.map(|whose| whose.key_id),
            None => cookie(headers).and_then(|cookie| self.cookie_holder(cookie, now)),
        };
        let key_id = key_id.ok_or_else(unauthenticated)?;
        let known = self.find(&key_id).await?.ok_or_else(unauthenticated)?;
        known.is_live(now, from).map_err(denied)?;
        Ok(known)
    }

    /// A cookie that opens streams for a key, and until when.
    pub fn stream_cookie(&self, key_id: &str, now: DateTime<Utc>) -> (String, DateTime<Utc>) {
        let expires_at = now + TimeDelta::seconds(COOKIE_SECONDS);
        let claim = format!("{key_id}.{}", expires_at.timestamp());
        let cookie = format!(
            "{COOKIE}={claim}.{}; Path=/v1; Max-Age={COOKIE_SECONDS}; HttpOnly; Secure; \
             SameSite=Strict",
            self.cookie_tag(&claim),
        );
        (cookie, expires_at)
    }

    /// The key whose cookie this is, if it is genuine and not too old.
    fn cookie_holder(&self, cookie: &str, now: DateTime<Utc>) -> Option<String> {
        let (claim, tag) = cookie.rsplit_once('.')?;
        let (key_id, expires_at) = claim.split_once('.')?;
        let genuine: bool = self.cookie_tag(claim).hex().as_slice().ct_eq(tag.as_bytes()).into();
        let live = genuine && expires_at.parse::<i64>().is_ok_and(|at| now.timestamp() < at);
        live.then(|| key_id.to_owned())
    }

    fn cookie_tag(&self, claim: &str) -> Hash {
        secret_hash(&self.pepper, &format!("exhibit stream cookie v1\0{claim}"))
    }
}

/// Opens streams, and nothing else.
const COOKIE: &str = "exhibit_stream";
/// A working day.
const COOKIE_SECONDS: i64 = 12 * 3600;

/// The hash that a ticket in the query is kept under.
fn ticket(request: &Request) -> Option<Hash> {
    let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    // Tickets are base64url: nothing in them is ever escaped.
    let mut tickets = pairs.filter(|(name, _)| *name == "ticket").map(|(_, ticket)| ticket);
    tickets.next().map(|ticket| Hash::of(ticket.as_bytes()))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|c| c.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE).map(|(_, value)| value.trim())
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
    request: Request,
    next: Next,
) -> Response {
    let from = peer(&request);
    let key = match app.auth.authenticate(&app, request.headers(), from).await {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    pass(&key, scope, request, next).await
}

/// Lets the key's request through if the key has the scope.
async fn pass(key: &KnownKey, scope: Scope, mut request: Request, next: Next) -> Response {
    let mut response = match key.authorize(scope) {
        Err(denial) => denied(denial).into_response(),
        Ok(()) => {
            let caller = Caller::of(key, &request);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    };
    // For the log line of the outermost layer.
    response.extensions_mut().insert(key.tenant);
    response
}

fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

/// The guard of streams, which browsers cannot show a key to: takes a ticket or a cookie as well.
pub async fn require_for_stream(State(app): State<App>, request: Request, next: Next) -> Response {
    let from = peer(&request);
    if request.method() == Method::HEAD {
        // It would spend a ticket on an answer without a body.
        return Problem::method_not_allowed().into_response();
    }
    let ticket = ticket(&request);
    let key = match app.auth.authenticate_stream(&app, request.headers(), ticket, from).await {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    pass(&key, Scope::EvidenceRead, request, next).await
}

fn denied(denial: Denial) -> Problem {
    match denial {
        Denial::Unauthenticated => unauthenticated(),
        Denial::TenantSuspended => {
            Problem::new(StatusCode::FORBIDDEN, "TENANT_SUSPENDED", "the tenant is suspended")
        }
        Denial::ScopeMissing => scope_missing(),
    }
}

pub fn scope_missing() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "SCOPE_MISSING",
        "the key does not have the scope that this address asks for",
    )
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
