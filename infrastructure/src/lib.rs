//! Adapters behind the ports: event stores, keys, the private PostgreSQL. Knows no rules.

pub mod backtests;
pub mod database;
pub mod docket;
pub mod export_files;
pub mod export_jobs;
pub mod hints;
pub mod keyring;
#[cfg(feature = "pdf")]
pub mod pdf;
pub mod pdf_attachments;
mod pdf_layout;
pub mod policies_in_force;
pub mod private_postgres;
pub mod quiet_store;
pub mod session_store;
pub mod system;
pub mod tickets;
pub mod violation_store;
mod write_door;

pub use database::MIGRATOR;
