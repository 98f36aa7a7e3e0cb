//! `GET /metrics`: numbers for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::problem::Problem;
use crate::state::App;

/// `OpenMetrics` 1.0, which Prometheus asks for.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProjection {
    projection: String,
}

/// The gauges as they stand now.
struct Gauges {
    registry: Registry,
    events: Family<OfProjection, Gauge>,
    seconds: Family<OfProjection, Gauge<f64, std::sync::atomic::AtomicU64>>,
    stopped: Family<OfProjection, Gauge>,
    streams: Gauge,
}

impl Gauges {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("exhibit");
        let events = Family::default();
        registry.register(
            "projection_lag_events",
            "Committed events that the projection has not folded",
            events.clone(),
        );
        let seconds = Family::default();
        registry.register_with_unit(
            "projection_lag",
            "Age of the oldest event that the projection has not folded",
            Unit::Seconds,
            seconds.clone(),
        );
        let stopped = Family::default();
        registry.register(
            "projection_stopped",
            "Tenants whose log the projection cannot follow on",
            stopped.clone(),
        );
        let streams = Gauge::default();
        registry.register("streams_open", "Streams that are open on this server", streams.clone());
        Self { registry, events, seconds, stopped, streams }
    }
}

/// Read the metrics.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "service",
    responses((status = 200, description = "OpenMetrics text.", body = String,
        content_type = "application/openmetrics-text")))]
pub async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let gauges = Gauges::new();
    for lag in app.runner.lag().await? {
        let label = OfProjection { projection: lag.projection };
        gauges.events.get_or_create(&label).set(lag.events);
        gauges.seconds.get_or_create(&label).set(lag.seconds);
        gauges.stopped.get_or_create(&label).set(lag.stopped.len() as i64);
    }
    gauges.streams.set(app.streams.admission.count() as i64);
    let mut text = String::new();
    encode(&mut text, &gauges.registry).map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}
