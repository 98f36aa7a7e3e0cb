//! Closing a chain: what is sealed, what is refused, and who can check it.

mod closing;
mod keys;
mod races;
mod tampering;
