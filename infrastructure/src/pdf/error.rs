//! Why there is no document.

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The input is not what the renderer sets.
    #[error("not a document that can be set: {0}")]
    Unreadable(String),
    /// The typesetter refuses: a fault of ours, as every text can be set.
    #[error("typesetting failed: {0}")]
    Typesetting(String),
}

impl RenderError {
    pub(super) fn unreadable(cause: impl std::fmt::Display) -> Self {
        Self::Unreadable(cause.to_string())
    }

    pub(super) fn typesetting(cause: impl std::fmt::Display) -> Self {
        Self::Typesetting(cause.to_string())
    }
}
