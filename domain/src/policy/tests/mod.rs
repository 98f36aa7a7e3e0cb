//! Policies as a whole: documents in, judgements out.

mod arbitrary;
mod documents;
mod evaluation;
mod near_misses;
mod operators;
mod reference;
mod stage;
