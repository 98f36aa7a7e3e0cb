//! Sessions: start, feed, seal, look at, export. One file an operation.

pub mod append;
pub mod export;
mod export_document;
pub mod get;
pub mod list;
pub mod page;
pub mod seal;
pub mod start;
pub mod view;
