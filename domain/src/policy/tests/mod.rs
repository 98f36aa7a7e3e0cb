//! Policies as a whole.
