//! Exhibit's domain: what evidence is, how it is chained, sealed and judged.
//!
//! Pure functions over values. Knows nothing of HTTP, SQL, files, clocks or randomness: time and
//! identifiers come in with the commands.
//!
//! Invariants that hold across the system:
//! * A stored chain has no hole: sequence numbers of a session are 0, 1, 2 …, each record names the
//!   hash of the one before it.
//! * Nothing a client sends is changed: what is stored is what was sent, or nothing is.
//! * A verdict rests on computed hashes and keys from outside, never on what evidence says of itself.

pub mod artifacts;
pub mod backtest;
pub mod evidence;
pub mod export;
pub mod hash;
pub mod ids;
pub mod judgement;
pub mod log;
pub mod personal_data;
pub mod policy;
pub mod scope;
pub mod session;
pub mod tenant;
pub mod violation;
