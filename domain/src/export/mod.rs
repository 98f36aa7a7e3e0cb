//! Everything that leaves: who asked for it, for what, what it was, who took it away.
//!
//! One aggregate an export (or a verification). **Invariants:** what leaves was asked for before,
//! with a purpose; what was made is made once, and nothing is taken from what was not made.
//!
//! Source: contract/exports.md.

mod event;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::ids::SessionId;

pub use event::{Audience, ExportEvent, Filters, Kind, Verdict};

/// Characters of a purpose.
pub const PURPOSE_CHARS_MAX: usize = 256;

/// What somebody wants to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub kind: Kind,
    /// `json`, `jsonl`, `pdf`, `ndjson`, `bundle`.
    pub formats: Vec<String>,
    /// The one session that it is about; none for what is chosen by filters.
    pub session_id: Option<SessionId>,
    pub filters: Filters,
    /// Of a pack.
    pub audience: Option<Audience>,
    pub purpose: String,
}

/// A file as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFact {
    pub name: String,
    pub bytes: u64,
    pub sha256: Hash,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// How many of what: events, violations and so on.
    pub counts: BTreeMap<String, u64>,
    pub files: Vec<FileFact>,
    /// SHA-256 of the manifest's canonical form, where there is a manifest.
    pub manifest_hash: Option<Hash>,
}

/// What is asked, by whom and when.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportCommand {
    pub what: ExportAction,
    /// `key:<id>` or `cli:<user>`; `worker` for what the server does by itself.
    pub by: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ExportAction {
    Request(Order),
    Complete(Made),
    Fail {
        reason: String,
    },
    /// Takes a file away. Without a purpose of its own it is the order's.
    Download {
        file: String,
        purpose: Option<String>,
    },
    /// The files are removed at the end of their time.
    Expire,
    /// Checks evidence that is stored or was uploaded.
    Verify(Verdict),
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("there is no such export")]
    NotFound,
    #[error(
        "a purpose of 1 to {PURPOSE_CHARS_MAX} characters, with a letter or a digit, is needed"
    )]
    Purpose,
    /// Records' times have no more: a finer one would mean something else to each reader.
    #[error("since and until have at most microseconds")]
    Precision,
    #[error("since must be before until")]
    Period,
    #[error("the export is {}", .0.as_str())]
    State(Status),
    #[error("the export has no such file")]
    NoSuchFile,
}

/// Where an export stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Requested,
    Created,
    Failed,
    Expired,
    /// Nothing was made: evidence was checked.
    Verified,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "not made yet",
            Self::Created => "made",
            Self::Failed => "failed",
            Self::Expired => "expired: its files are removed",
            Self::Verified => "a verification",
        }
    }
}

/// The aggregate.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    order: Option<Order>,
    by: String,
    status: Option<Status>,
    files: Vec<FileFact>,
}

impl Export {
    /// What was asked for.
    pub fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// A file that was made.
    pub fn file(&self, name: &str) -> Option<&FileFact> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Every rule, as one table from (state, command) to events.
    pub fn decide(&self, command: ExportCommand) -> Result<Vec<ExportEvent>, ExportError> {
        let ExportCommand { what, by, at } = command;
        let Some(status) = self.status else {
            return match what {
                ExportAction::Request(order) => {
                    check(&order.purpose)?;
                    order.filters.check()?;
                    Ok(vec![ExportEvent::Requested { order, by, at }])
                }
                ExportAction::Verify(verdict) => {
                    Ok(vec![ExportEvent::Verified { verdict, by, at }])
                }
                ExportAction::Complete(_)
                | ExportAction::Fail { .. }
                | ExportAction::Download { .. }
                | ExportAction::Expire => Err(ExportError::NotFound),
            };
        };
        let order = self.order.clone().ok_or(ExportError::State(status));
        match (what, status) {
            (ExportAction::Complete(made), Status::Requested) => {
                // The act is that of who asked, whichever process carries it out.
                Ok(vec![ExportEvent::Created { order: order?, made, by: self.by.clone(), at }])
            }
            (ExportAction::Fail { reason }, Status::Requested) => {
                Ok(vec![ExportEvent::Failed { order: order?, reason, at }])
            }
            (ExportAction::Download { file, purpose }, Status::Created) => {
                let mut order = order?;
                if let Some(purpose) = purpose {
                    check(&purpose)?;
                    order.purpose = purpose;
                }
                let file = self.file(&file).cloned().ok_or(ExportError::NoSuchFile)?;
                Ok(vec![ExportEvent::Downloaded { order, file, by, at }])
            }
            (ExportAction::Expire, Status::Created) => {
                Ok(vec![ExportEvent::Expired { order: order?, at }])
            }
            (ExportAction::Expire, Status::Expired) => Ok(Vec::new()),
            (
                ExportAction::Request(_)
                | ExportAction::Complete(_)
                | ExportAction::Fail { .. }
                | ExportAction::Download { .. }
                | ExportAction::Expire
                | ExportAction::Verify(_),
                _,
            ) => Err(ExportError::State(status)),
        }
    }
}

fn check(purpose: &str) -> Result<(), ExportError> {
    let says = |c: char| c.is_alphanumeric() && !UNSEEN_LETTERS.contains(&c);
    let fits = purpose.chars().count() <= PURPOSE_CHARS_MAX;
    if fits && purpose.chars().any(says) && !purpose.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(ExportError::Purpose)
    }
}

/// Letters by their category that nobody sees (fillers of Hangul): a purpose of them says nothing.
const UNSEEN_LETTERS: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];

impl Aggregate for Export {
    const TYPE: &'static str = "export";
    type Command = ExportCommand;
    type Event = ExportEvent;
    type Error = ExportError;
    type Services = ();

    async fn handle(
        &mut self,
        command: ExportCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ExportError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ExportEvent) {
        match event {
            ExportEvent::Requested { order, by, .. } => {
                (self.order, self.by) = (Some(order), by);
                self.status = Some(Status::Requested);
            }
            ExportEvent::Created { made, .. } => {
                self.files = made.files;
                self.status = Some(Status::Created);
            }
            ExportEvent::Failed { .. } => self.status = Some(Status::Failed),
            ExportEvent::Downloaded { .. } => {}
            ExportEvent::Expired { .. } => self.status = Some(Status::Expired),
            ExportEvent::Verified { .. } => self.status = Some(Status::Verified),
        }
    }
}
