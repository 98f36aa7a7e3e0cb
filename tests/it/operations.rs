//! The operations of the OpenAPI document, as data for tests that walk over all of them.

use reqwest::Method;
use serde_json::Value;

/// Operations that need no key, and no others.
pub const OPEN: [&str; 4] = ["health", "jwks", "metrics", "ready"];

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    pub id: String,
    pub method: Method,
    /// With its placeholders: `/v1/sessions/{session_id}`.
    pub path: String,
    /// Null when the document asks for none.
    pub scope: Option<String>,
    /// The operation as the document has it.
    pub document: Value,
}

impl Operation {
    pub fn is_admin(&self) -> bool {
        self.scope.as_deref() == Some("admin")
    }
}

/// Every operation of a document.
pub fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(Operation {
                id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                scope: operation["security"][0]["bearer"][0].as_str().map(str::to_owned),
                document: operation.clone(),
            });
        }
    }
    assert!(operations.len() > 20, "the document has lost its operations");
    operations
}
