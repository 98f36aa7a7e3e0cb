//! What tests do with policies.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, Caller, TestApp, send};

impl TestApp {
    /// Somebody who may approve policies, and is not who writes them: made once.
    pub fn approver(&self) -> Caller<'_> {
        let scopes = "policies:read,policies:write,policies:approve";
        self.as_key(self.approver.get_or_init(|| self.make_key("demo", scopes)))
    }

    /// Where a version of a policy is found.
    ///
    /// # Panics
    /// When the document names none.
    pub fn version_path(&self, document: &Value) -> String {
        let (name, version) = (&document["name"], &document["version"]);
        let (name, version) = (name.as_str().unwrap(), version.as_str().unwrap());
        format!("/v1/policies/{name}/versions/{version}")
    }

    /// Drafts a policy with the app's key.
    pub async fn draft_policy(&self, document: &Value) -> Answer {
        self.post("/v1/policies", document).await
    }

    /// Writes a draft anew with the app's key.
    pub async fn revise_policy(&self, document: &Value) -> Answer {
        send(self.request(Method::PUT, &self.version_path(document)).json(document)).await
    }

    /// A command of the app's key on a version: `submit`, `retire`, …
    pub async fn policy_command(&self, document: &Value, verb: &str, body: &Value) -> Answer {
        self.post(&format!("{}/{verb}", self.version_path(document)), body).await
    }

    /// A command of the approver's.
    pub async fn approver_command(&self, document: &Value, verb: &str, body: &Value) -> Answer {
        self.approver().post(&format!("{}/{verb}", self.version_path(document)), body).await
    }

    /// Drafts and submits a policy with the app's key.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn submit_policy(&self, document: &Value) -> Value {
        let _ = self.draft_policy(document).await.expect(201);
        self.policy_command(document, "submit", &json!({})).await.expect(200).body
    }

    /// Puts a policy in force: drafted and submitted by the app's key, activated by the approver in
    /// the place of the version that was active, if one was.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn activate_policy(&self, document: &Value) -> Value {
        self.submit_policy(document).await;
        let body = json!({ "supersede": true });
        self.approver_command(document, "activate", &body).await.expect(200).body
    }

    /// Takes the active version out of force, by the approver.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn retire_policy(&self, document: &Value) -> Value {
        let body = json!({ "reason": "no longer needed" });
        self.approver_command(document, "retire", &body).await.expect(200).body
    }

    /// The version as it stands.
    ///
    /// # Panics
    /// When there is none.
    pub async fn policy_version(&self, document: &Value) -> Value {
        self.get(&self.version_path(document)).await.expect(200).body
    }
}
