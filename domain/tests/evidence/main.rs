//! Evidence on its way in: the strict reader, the canonical form, the checks at the door.

mod arbitrary;
mod batches;
mod canonical_form;
mod claims;
mod event_shape;
mod faithfulness;
mod malformed;
mod numbers;
mod payloads;
mod stages;
mod timestamps;
mod vectors;
mod wire;
