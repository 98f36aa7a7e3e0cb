//! Findings on what cannot be read, or not faithfully.

use serde_json::json;

use super::finding::{Code, Findings, Place};
use crate::evidence::json::{Flaw, FlawKind, JsonError};

impl Findings {
    /// Notes what JCS cannot carry. A NUL is not part of that: servers refuse it, JCS carries it.
    pub(super) fn note_flaws<'r>(
        &mut self,
        flaws: &[Flaw],
        place: impl Fn(&Flaw) -> Place<'r>,
    ) -> bool {
        let mut flawed = false;
        for flaw in flaws.iter().filter(|flaw| flaw.kind != FlawKind::Nul) {
            flawed = true;
            self.note(Code::InvalidCanonicalForm, place(flaw), || {
                let (pointer, reason) = (flaw.pointer(), flaw.kind.reason());
                let message = format!("The text has no canonical form: {reason}.");
                (message, json!({ "pointer": pointer, "reason": reason }))
            });
        }
        flawed
    }

    pub(super) fn note_not_json(&mut self, error: &JsonError, lines_before: usize) {
        let (line, column) = (error.line + lines_before, error.column);
        self.note(Code::InvalidCanonicalForm, Place::default(), || {
            let message = format!("Not JSON: {} (line {line}, column {column}).", error.message);
            (message, json!({ "line": line, "column": column, "reason": error.message }))
        });
    }

    /// Notes a part of the input that was not read.
    pub(super) fn note_not_read(&mut self, reason: &str, line: usize) {
        self.note(Code::InvalidCanonicalForm, Place::default(), || {
            (format!("Not read: {reason}."), json!({ "line": line, "reason": reason }))
        });
    }
}
