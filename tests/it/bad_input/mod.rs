//! What bad input gets: a problem with a code, nothing stored, nothing lost.

mod bodies;
mod connections;
mod fields;
mod json;
mod queries;
mod requests;
