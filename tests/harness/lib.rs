//! Speaks the domain to a real server over HTTP.
//!
//! Each [`TestApp`] is a process `exhibit serve` with a database of its own, on a free port. Tests
//! say what happens (`start_session`, `append`, `seal`, `restart`, `kill`), not how.

mod app;
mod database;
pub mod events;
mod exports;
mod policies;
mod stream;
mod violations;

pub use app::{Answer, Caller, TestApp, send, try_send};
pub use database::TestDatabase;
pub use stream::{EventStream, Frame, position};
pub use violations::tool_policy;

/// Every scope but `admin`.
pub const ALL_SCOPES: &str = "ingest:write,evidence:read,evidence:write,evidence:export,\
    certificates:read,policies:read,policies:write,policies:approve,violations:write,\
    webhooks:read,webhooks:write,models:read,models:write";

/// The binary under test, beside the tests' own.
///
/// # Panics
/// When it has not been built: `make test` does that.
pub fn exhibit() -> std::path::PathBuf {
    let own = std::env::current_exe().expect("a test has an executable");
    let found = own.ancestors().map(|folder| folder.join("exhibit")).find(|path| path.is_file());
    found.expect("the exhibit binary is not built: run the tests with `make test`")
}
