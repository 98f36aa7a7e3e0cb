//! The read side. Knows nothing of commands.
//!
//! Reads on behalf of a tenant go through [`TenantReads`], under a role that sees one tenant's rows;
//! read models follow the log by the one loop in [`runner`].

pub mod aggregations;
pub mod backtests;
pub mod custody;
pub mod dashboards;
pub mod evidence;
pub mod exports;
pub mod feed;
pub mod folds;
pub mod judged;
pub mod judgement;
pub mod keys;
pub mod log;
pub mod log_check;
pub mod policies;
pub mod runner;
pub mod selection;
pub mod sessions;
mod tenant_reads;
pub mod violations;

pub use tenant_reads::TenantReads;
