//! Taking events in: forms, retries, gaps, races, chains that a client computes.

mod forms;
mod gaps;
mod races;
mod receipts;
mod retries;
mod sdk;
mod vectors;
