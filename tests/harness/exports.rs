//! What leaves, in tests' words.

use serde_json::Value;

use crate::app::TestApp;

impl TestApp {
    /// Asks for an export in the background: `exports`, `bundles` or `evidence-packs`.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn ask_for(&self, folder: &str, body: &Value) -> Value {
        self.post(&format!("/v1/{folder}"), body).await.expect(202).body
    }

    /// Waits until an export is made, or has failed.
    ///
    /// # Panics
    /// When neither happens.
    pub async fn until_made(&self, export: &Value) -> Value {
        let this = export["links"]["self"].as_str().unwrap();
        for _ in 0..1_500 {
            let view = self.get(this).await.expect(200).body;
            if !["queued", "running"].contains(&view["status"].as_str().unwrap()) {
                return view;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{this} is not made: {}", self.log());
    }

    /// Asks for an export and waits until it is made.
    ///
    /// # Panics
    /// When it is not.
    pub async fn made(&self, folder: &str, body: &Value) -> Value {
        let view = self.until_made(&self.ask_for(folder, body).await).await;
        assert_eq!(view["status"], "completed", "{view}");
        view
    }

    /// Takes a file of an export away; `name` may be its end.
    ///
    /// # Panics
    /// When there is none.
    pub async fn take(&self, export: &Value, name: &str) -> Vec<u8> {
        let files = export["files"].as_array().unwrap();
        let named = |file: &&Value| file["name"].as_str().unwrap().ends_with(name);
        let href = files.iter().find(named).expect(name)["href"].as_str().unwrap();
        let answer = self.request(reqwest::Method::GET, href).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap().to_vec()
    }

    /// Takes all files away, into a folder; those that are in an archive alone stay there.
    ///
    /// # Panics
    /// When one cannot be taken.
    pub async fn take_all(&self, export: &Value, folder: &std::path::Path) {
        for file in export["files"].as_array().unwrap() {
            let name = file["name"].as_str().unwrap();
            if name.rsplit('.').next() != Some("zip") {
                std::fs::write(folder.join(name), self.take(export, name).await).unwrap();
            }
        }
    }

    /// Acts of the export audit, the latest first.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn acts(&self, query: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/export-audit{query}")).await.expect(200).body;
        page["items"].as_array().unwrap().clone()
    }
}
