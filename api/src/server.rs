//! The listening server: connections with time-outs, and a shutdown that finishes what has begun.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower_http::add_extension::AddExtension;

/// A client that sends its request's head slower than this is cut off.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(15);
/// A client that does not finish its handshake is cut off.
const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// What waits to be written to a slow reader, or to be read from a fast writer.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// After an error of `accept` (no file descriptors left, mostly) the loop rests.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves until `stop` resolves, then lets running requests finish for as long as it says.
///
/// A connection that cannot be written to for `stall_max` is closed. With an acceptor, connections
/// speak TLS.
pub async fn run(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
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
        let (watcher, tls) = (graceful.watcher(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, service, watcher, peer).await,
                Some(tls) => match timeout(HANDSHAKE_WAIT_MAX, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, service, watcher, peer).await,
                    Ok(Err(error)) => tracing::debug!(cause = %error, %peer, "no handshake"),
                    Err(_) => tracing::debug!(%peer, "no handshake in time"),
                },
            }
        });
    };
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(grace) => tracing::warn!("requests were still running at the end"),
    }
}

/// Serves one connection to its end.
async fn serve<S>(
    stream: S,
    service: AddExtension<Router, ConnectInfo<SocketAddr>>,
    watcher: Watcher,
    peer: SocketAddr,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(cause = %error, %peer, "connection ended");
    }
}
