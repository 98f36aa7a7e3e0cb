//! Use cases over ports: the one write door, and what happens before and after it.
//!
//! Knows nothing of SQL and HTTP. Time, identifiers, signatures and storage come through the ports
//! below, each of which has a real implementation in `infrastructure`.
#![warn(missing_docs)]

pub mod backtests;
pub mod exports;
pub mod judging;
pub mod keys;
pub mod policies;
pub mod ports;
pub mod rounds;
pub mod sessions;
pub mod tenants;
pub mod violations;

pub use ports::{
    AggregateId, Clock, CommandError, Commands, Committed, EvidenceReader, Hint, Hints, Ids,
    Metadata, PortError, Signer,
};
