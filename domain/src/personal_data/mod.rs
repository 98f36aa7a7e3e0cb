//! Personal data and secrets in payloads: found by type and place, never repeated.
