//! Documents beside requests: few at a time, each on a thread that serves nobody else.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{RenderError, render_report, render_session};

/// Documents that are set at a time. One takes up to 150 MB beside its input; more at once would
/// only wait for the same cores.
const PLACES: usize = 2;

/// Sets documents, a bounded number at a time.
#[derive(Debug, Clone)]
pub struct Renderer {
    places: Arc<Semaphore>,
}

impl Default for Renderer {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)) }
    }
}

impl Renderer {
    /// Waits for a place. What a document is made of is gathered after this, so that waiting requests
    /// hold no memory.
    pub async fn place(&self) -> Place {
        // The semaphore is never closed; a place without a permit would only be one too many.
        Place { permit: self.places.clone().acquire_owned().await.ok() }
    }
}

/// The right to set one document.
#[derive(Debug)]
pub struct Place {
    permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// A session's JSON export: see [`render_session`].
    pub async fn session(self, export: Vec<u8>, jwks: Vec<u8>) -> Result<Vec<u8>, RenderError> {
        self.set(move || render_session(&export, &jwks)).await
    }

    /// A report of any kind: see [`render_report`].
    pub async fn report(self, report: Value) -> Result<Vec<u8>, RenderError> {
        self.set(move || render_report(&report)).await
    }

    /// The place is taken until the work ends, even when nobody waits for it any more.
    async fn set(
        self,
        work: impl FnOnce() -> Result<Vec<u8>, RenderError> + Send + 'static,
    ) -> Result<Vec<u8>, RenderError> {
        let task = tokio::task::spawn_blocking(move || {
            let _permit = self.permit;
            work()
        });
        task.await.map_err(RenderError::typesetting)?
    }
}
