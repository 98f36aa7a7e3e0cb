//! TLS without a proxy: a certificate and its key.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::processes::{Serving, folder, run, serve_in};
use tests::TestDatabase;

/// A certificate for 127.0.0.1 that signs itself, and its key.
pub fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=exhibit", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"])
        .arg("-out")
        .arg(&cert)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (cert, key)
}

/// Asks over TLS, trusting one certificate: the status line and the last line.
fn ask(url: &str, trusted: &Path, path: &str, version: &str) -> String {
    let address = url.strip_prefix("https://").expect(url);
    let script = format!(
        "printf 'GET {path} HTTP/1.1\\r\\nhost: exhibit\\r\\nconnection: close\\r\\n\\r\\n' | \
         openssl s_client -connect {address} -CAfile '{}' -verify_return_error -quiet -{version} \
         -ign_eof 2>/dev/null",
        trusted.display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_server_with_a_certificate_speaks_tls_and_nothing_else() {
    let database = TestDatabase::create().await;
    let data = folder();
    let (cert, key) = certificate(data.path());
    let mut command = serve_in(data.path());
    command.env("EXHIBIT_DATABASE_URL", &database.url);
    command.env("EXHIBIT_TLS_CERT", &cert).env("EXHIBIT_TLS_KEY", &key);
    let server = Serving::start(&mut command);
    for version in ["tls1_2", "tls1_3"] {
        let answer = ask(&server.url, &cert, "/health", version);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{version}: {answer}");
        assert!(answer.ends_with("{\"status\":\"ok\",\"version\":\"0.1.0\"}"), "{answer}");
    }
    assert_eq!(ask(&server.url, &cert, "/health", "tls1_1"), "", "too old");
    let other = folder();
    let (stranger, _) = certificate(other.path());
    assert_eq!(ask(&server.url, &stranger, "/health", "tls1_3"), "", "not who it says");
    let plain = server.url.replace("https://", "http://");
    assert!(reqwest::get(format!("{plain}/health")).await.is_err(), "plain text is not answered");
    server.stop();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_served_with_is_named() {
    let database = TestDatabase::create().await;
    let data = folder();
    let (cert, key) = certificate(data.path());
    let elsewhere = folder();
    let (_, other_key) = certificate(elsewhere.path());
    let empty = data.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let fails = |cert: &Path, key: Option<&Path>| {
        let mut command = serve_in(data.path());
        command.env("EXHIBIT_DATABASE_URL", &database.url).env("EXHIBIT_TLS_CERT", cert);
        if let Some(key) = key {
            command.env("EXHIBIT_TLS_KEY", key);
        }
        let ended = run(&mut command);
        assert_ne!(ended.code, Some(0), "{ended:?}");
        ended.stderr
    };
    assert!(fails(&cert, None).contains("--tls-key"));
    assert!(fails(&data.path().join("absent.pem"), Some(&key)).contains("absent.pem"));
    assert!(fails(&empty, Some(&key)).contains("empty.pem holds no certificate"));
    assert!(fails(&cert, Some(&cert)).contains("cert.pem"), "no key in it");
    let mismatch = fails(&cert, Some(&other_key));
    assert!(mismatch.contains("the certificate and its key"), "{mismatch}");
}
