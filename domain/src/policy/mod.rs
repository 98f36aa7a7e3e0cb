//! Policies as code: the document, its evaluation, its lifecycle (contract/policy.md).

pub mod lifecycle;
