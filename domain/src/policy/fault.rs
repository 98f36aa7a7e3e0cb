//! What is wrong with a document, and where.

use serde::{Deserialize, Serialize};

/// One complaint, addressed to whoever wrote the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{pointer:?}: {message}")]
pub struct Fault {
    /// A JSON pointer (RFC 6901) into the document; of what is missing, to where it should stand.
    pub pointer: String,
    pub message: String,
}

impl Fault {
    pub(super) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

/// Text of the writer's as a message repeats it: never more than 64 characters.
pub(super) fn shorten(text: &str) -> String {
    cut(text, 64)
}

/// At most `chars` characters of a text, with `…` for the rest.
pub(super) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A key as one step of a pointer.
pub(super) fn step(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}
