//! An answer that is written down while it leaves: what it was is known at its end, and the end goes
//! only when it stands in the log.

use std::collections::BTreeMap;

use application::exports::Exports;
use application::{Metadata, PortError};
use axum::body::Bytes;
use domain::export::{FileFact, Made};
use domain::hash::Hash;
use domain::ids::TenantId;
use futures::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// An export that was asked for and begins to leave. A client that goes away before its end may have
/// part of it: that, too, is written down, when this is dropped.
pub(super) struct Leaving {
    parts: Option<Parts>,
    /// Whether a byte may have left.
    has_begun: bool,
}

/// Which export, and what will be said of it.
pub(super) struct Parts {
    pub exports: Exports,
    pub tenant: TenantId,
    pub export: Uuid,
    pub by: Metadata,
    pub name: String,
    pub counts: BTreeMap<String, u64>,
}

impl Leaving {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts: Some(parts), has_begun: false }
    }

    /// Of the file.
    pub(super) fn name(&self) -> &str {
        self.parts.as_ref().map_or("", |parts| &parts.name)
    }

    /// The same bytes; the last of them after what was made is written down.
    pub(super) fn recorded<S>(
        mut self,
        body: S,
    ) -> impl Stream<Item = Result<Bytes, PortError>> + Send
    where
        S: Stream<Item = Result<Bytes, PortError>> + Send + 'static,
    {
        async_stream::try_stream! {
            let mut body = std::pin::pin!(body);
            let (mut hasher, mut bytes, mut held) = (Sha256::new(), 0, Bytes::new());
            while let Some(chunk) = body.next().await {
                let chunk = chunk?;
                hasher.update(&chunk);
                bytes += chunk.len() as u64;
                let before = std::mem::replace(&mut held, chunk);
                if !before.is_empty() {
                    self.has_begun = true;
                    yield before;
                }
            }
            let sha256 = Hash(hasher.finalize().into());
            if let Some(parts) = self.parts.take() {
                // Written down to the end though the client goes away now.
                let concluded = tokio::spawn(parts.conclude(bytes, sha256)).await;
                concluded.map_err(|e| PortError::new("writing down an export", e))??;
            }
            yield held;
        }
    }
}

impl Parts {
    async fn conclude(self, bytes: u64, sha256: Hash) -> Result<(), PortError> {
        let file = FileFact { name: self.name, bytes, sha256 };
        let made = Made { counts: self.counts, files: vec![file], manifest_hash: None };
        let written = self.exports.complete(self.tenant, self.export, made, &self.by).await;
        written.map_err(|e| PortError::new("writing down an export", e.to_string()))
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let has_begun = self.has_begun;
        runtime.spawn(async move {
            let Parts { exports, tenant, export, by, .. } = parts;
            let reason = if has_begun {
                "it was cut short: part of it may have left"
            } else {
                "it could not be made, or its client went away: nothing of it has left"
            };
            if let Err(error) = exports.fail(tenant, export, reason, &by).await {
                tracing::warn!(cause = %error, %export, "an export that was cut short");
            }
        });
    }
}
