//! Backtests: begin, watch, cancel. One file an operation.

pub mod cancel;
pub mod get;
pub mod list;
pub mod start;
pub mod view;
