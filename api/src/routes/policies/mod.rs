//! Policies: write, review, activate, retire, look at, try out. One file an operation.

pub mod activate;
pub mod backtests;
mod body;
pub mod diff;
pub mod document;
pub mod draft;
pub mod get;
pub mod list;
mod path;
mod problem;
pub mod reject;
pub mod retire;
pub mod revise;
pub mod schema;
pub mod submit;
pub mod validate;
pub mod versions;
pub mod view;
