//! Sessions: start, feed, seal, look at, export. One file an operation.

pub mod append;
pub mod export;
pub(crate) mod export_document;
mod export_findings;
pub(crate) mod export_pdf;
pub mod get;
mod judged;
pub mod list;
pub mod page;
pub mod personal_data;
mod recorded;
pub mod seal;
pub mod start;
pub mod view;
