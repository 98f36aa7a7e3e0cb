//! The listening server: connections with time-outs, and a shutdown that finishes what has begun.

use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutStream;
use tower_http::add_extension::AddExtension;

/// A client that sends its request's head slower than this is cut off.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(15);
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// What waits to be written to a slow reader, or to be read from a fast writer.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// After an error of `accept` (no file descriptors left, mostly) the loop rests.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves until `stop` resolves, then lets running requests finish for as long as it says.
///
/// A connection that cannot be written to for `stall_max` is closed.
pub async fn run(
    listener: TcpListener,
    router: Router,
    stall_max: Duration,
    stop: impl Future<Output = Duration>,
) {
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    let grace = loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            grace = &mut stop => break grace,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(cause = %error, "accept failed");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        // Answers are small: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let service = AddExtension::new(router.clone(), ConnectInfo(peer));
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream.as_mut().set_write_timeout_pinned(Some(stall_max));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT_MAX)
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(cause = %error, %peer, "connection ended");
            }
        });
    };
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(grace) => tracing::warn!("requests were still running at the end"),
    }
}
