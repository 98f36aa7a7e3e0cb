//! Evidence: reading it strictly, its canonical form, the chain, the seal, the verdict.

pub mod canonical;
pub mod class;
pub mod dsse;
pub mod event_type;
pub mod intake;
pub mod json;
pub mod jwk;
pub mod merkle;
pub mod record;
pub mod refusal;
pub mod seal;
pub mod tool_access;
pub mod verify;
