//! Policies as code: the document, its evaluation, its lifecycle (contract/policy.md).

pub mod compile;
mod complaint;
pub mod context;
pub mod document;
pub mod evaluate;
pub mod explain;
pub mod fault;
pub mod lifecycle;
pub mod limits;
mod operators;
mod path;
pub mod reason;
pub mod schema;
#[cfg(test)]
mod tests;
pub mod validate;
pub mod window;
