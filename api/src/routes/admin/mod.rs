//! `/admin`: tenants and keys, opened by the scope `admin` and nothing else.

pub mod keys;
pub mod tenants;
