//! Keys that live in files: the server's secret, the seal keys, the evidence keys.
//!
//! `<data>/keys` (mode 0700) holds `master.secret`, `seal-<kid>.pem` (PKCS#8, RFC 8410) and
//! `evidence-<kid>.key`, each 0600. Which of them is current, and the public halves with their
//! windows, stand in the database, so that several servers and the command line agree. A crash
//! between file and row leaves a file that nothing names, which harms nobody.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use application::{Clock, PortError, Signer};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::evidence::dsse::{Envelope, pae};
use domain::evidence::jwk::{Jwk, JwkSet};
use domain::evidence::record::{Record, evidence_mac};
use domain::hash::Hash;
use domain::ids::TenantId;
use ed25519_dalek::{Signer as _, SigningKey};
use hkdf::Hkdf;
use sha2::Sha256;
use sqlx::{PgPool, Postgres, Row, Transaction};

use crate::system::{random_bytes, random_name};

/// The PKCS#8 frame of an Ed25519 private key (RFC 8410, section 7), up to its 32 bytes.
const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The folder of keys.
#[derive(Debug, Clone)]
pub struct KeyFolder {
    path: PathBuf,
}

impl KeyFolder {
    /// Opens `<data>/keys`, making it when it is missing.
    pub fn open(data: &Path) -> Result<Self, PortError> {
        let path = data.join("keys");
        let failed = |e| PortError::new("opening the folder of keys", e);
        if !path.is_dir() {
            std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&path).map_err(failed)?;
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
        Ok(Self { path })
    }

    /// The server's own secret: keys the hashes of API keys, and signs cursors. Made when missing.
    pub fn master_secret(&self) -> Result<Vec<u8>, PortError> {
        let name = "master.secret";
        if !self.path.join(name).exists() {
            self.write(name, &Hash(random_bytes()?).to_string())?;
        }
        let text = self.read(name)?;
        let secret = Hash::from_hex(text.trim());
        secret.map(|s| s.0.to_vec()).ok_or_else(|| {
            PortError::new("reading master.secret", "it is not 64 hexadecimal digits")
        })
    }

    fn read(&self, name: &str) -> Result<String, PortError> {
        std::fs::read_to_string(self.path.join(name))
            .map_err(|e| PortError::new("reading a key file", format!("{name}: {e}")))
    }

    /// Writes a file that only its owner reads, whole or not at all, and never over another.
    fn write(&self, name: &str, text: &str) -> Result<(), PortError> {
        let failed =
            |e: std::io::Error| PortError::new("writing a key file", format!("{name}: {e}"));
        let draft = self.path.join(format!(".{name}.{}", std::process::id()));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        // Unlike a rename, a link fails when somebody else was faster; theirs then stands.
        let linked = std::fs::hard_link(&draft, self.path.join(name));
        std::fs::remove_file(&draft).map_err(failed)?;
        match linked {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(failed),
        }
    }

    fn write_seal_key(&self, key: &SigningKey, kid: &str) -> Result<(), PortError> {
        let der = [PKCS8_ED25519.as_slice(), key.as_bytes()].concat();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der)
        );
        self.write(&format!("seal-{kid}.pem"), &pem)
    }

    fn read_seal_key(&self, kid: &str) -> Result<SigningKey, PortError> {
        let pem = self.read(&format!("seal-{kid}.pem"))?;
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body.trim()).unwrap_or_default();
        let seed = der.strip_prefix(&PKCS8_ED25519).and_then(|seed| seed.try_into().ok());
        let seed: [u8; 32] = seed.ok_or_else(|| {
            PortError::new("reading a seal key", format!("seal-{kid}.pem is no Ed25519 key"))
        })?;
        Ok(SigningKey::from_bytes(&seed))
    }
}

fn database(error: sqlx::Error) -> PortError {
    PortError::new("the keys' tables", error)
}

/// Ends the current key's window in one of the two tables; the caller names its successor in the same
/// transaction.
async fn retire_current(
    pool: &PgPool,
    table: &'static str,
    now: DateTime<Utc>,
) -> Result<Transaction<'static, Postgres>, PortError> {
    let mut transaction = pool.begin().await.map_err(database)?;
    // One rotation at a time: two at once would both retire the same key.
    sqlx::query(&format!("lock table {table} in share row exclusive mode"))
        .execute(&mut *transaction)
        .await
        .map_err(database)?;
    sqlx::query(&format!("update {table} set not_after = $1 where not_after is null"))
        .bind(now)
        .execute(&mut *transaction)
        .await
        .map_err(database)?;
    Ok(transaction)
}

/// Signs seals with keys of the folder.
pub struct LocalSigner {
    folder: KeyFolder,
    pool: PgPool,
    clock: Arc<dyn Clock>,
    /// Read once each: a seal key's file never changes.
    loaded: Mutex<HashMap<String, SigningKey>>,
}

impl LocalSigner {
    pub fn new(folder: KeyFolder, pool: PgPool, clock: Arc<dyn Clock>) -> Self {
        Self { folder, pool, clock, loaded: Mutex::default() }
    }

    /// Makes the first seal key, unless there is one.
    pub async fn ensure_key(&self) -> Result<(), PortError> {
        if self.current(self.clock.now()).await?.is_some() {
            return Ok(());
        }
        self.add_key().await.map(|_| ())
    }

    /// Retires the current key now and lets a new one sign from now on. Returns the new kid.
    pub async fn rotate(&self) -> Result<String, PortError> {
        self.add_key().await
    }

    async fn add_key(&self) -> Result<String, PortError> {
        let key = SigningKey::from_bytes(&random_bytes()?);
        let public = key.verifying_key().to_bytes();
        let kid = Jwk::of_ed25519(&public, None, None).kid;
        self.folder.write_seal_key(&key, &kid)?;
        let now = self.clock.now();
        let mut transaction = retire_current(&self.pool, "seal_keys", now).await?;
        sqlx::query("insert into seal_keys (kid, public_key, not_before) values ($1, $2, $3)")
            .bind(&kid)
            .bind(public.as_slice())
            .bind(now)
            .execute(&mut *transaction)
            .await
            .map_err(database)?;
        transaction.commit().await.map_err(database)?;
        Ok(kid)
    }

    async fn current(&self, at: DateTime<Utc>) -> Result<Option<String>, PortError> {
        sqlx::query_scalar(
            "select kid from seal_keys
             where not_before <= $1 and (not_after is null or not_after >= $1)
             order by not_before desc limit 1",
        )
        .bind(at)
        .fetch_optional(&self.pool)
        .await
        .map_err(database)
    }

    /// Whether a seal could be signed now.
    pub async fn check(&self) -> Result<(), PortError> {
        self.key().await.map(|_| ())
    }

    async fn key(&self) -> Result<(String, SigningKey), PortError> {
        let kid = self.current(self.clock.now()).await?;
        let kid = kid.ok_or_else(|| PortError::new("signing", "there is no seal key"))?;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = loaded.get(&kid) {
            return Ok((kid, key.clone()));
        }
        let key = self.folder.read_seal_key(&kid)?;
        loaded.insert(kid.clone(), key.clone());
        Ok((kid, key))
    }
}

#[async_trait]
impl Signer for LocalSigner {
    async fn sign(&self, payload_type: &str, payload: &[u8]) -> Result<Envelope, PortError> {
        let (kid, key) = self.key().await?;
        let signature = key.sign(&pae(payload_type, payload));
        Ok(Envelope::new(payload_type, payload, kid, &signature.to_bytes()))
    }
}

/// All public seal keys, current and retired, with the windows in which they signed.
pub async fn public_keys(pool: &PgPool) -> Result<JwkSet, PortError> {
    let rows = sqlx::query(
        "select public_key, not_before, not_after from seal_keys order by not_before desc",
    )
    .fetch_all(pool)
    .await
    .map_err(database)?;
    let keys = rows.iter().filter_map(|row| {
        let public: [u8; 32] = row.get::<&[u8], _>(0).try_into().ok()?;
        let seconds = |at: DateTime<Utc>| at.timestamp();
        let until = row.get::<Option<DateTime<Utc>>, _>(2);
        Some(Jwk::of_ed25519(&public, Some(seconds(row.get(1))), until.map(seconds)))
    });
    Ok(JwkSet { keys: keys.collect() })
}

/// HMAC keys over event hashes, one a tenant, derived from the current master key.
pub struct EvidenceKeys {
    folder: KeyFolder,
    pool: PgPool,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Arc<EvidenceMaster>>>,
}

struct EvidenceMaster {
    kid: Arc<str>,
    secret: [u8; 32],
}

impl EvidenceKeys {
    pub fn new(folder: KeyFolder, pool: PgPool, clock: Arc<dyn Clock>) -> Self {
        Self { folder, pool, clock, current: RwLock::default() }
    }

    /// Makes the first key, unless there is one, and takes it into use.
    pub async fn ensure_key(&self) -> Result<(), PortError> {
        if self.current_kid().await?.is_none() {
            self.rotate().await?;
        }
        self.refresh().await
    }

    /// Takes the key into use that is current in the database: another process may have rotated.
    pub async fn refresh(&self) -> Result<(), PortError> {
        let kid = self.current_kid().await?;
        let kid = kid.ok_or_else(|| PortError::new("signing", "there is no evidence key"))?;
        let in_use = self.in_use().is_some_and(|master| *master.kid == *kid);
        if !in_use {
            let text = self.folder.read(&format!("evidence-{kid}.key"))?;
            let secret = Hash::from_hex(text.trim()).ok_or_else(|| {
                PortError::new("reading an evidence key", "it is not 64 hexadecimal digits")
            })?;
            let master = EvidenceMaster { kid: kid.into(), secret: secret.0 };
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(master));
        }
        Ok(())
    }

    /// Lets a new key sign from now on. Returns its kid.
    pub async fn rotate(&self) -> Result<String, PortError> {
        let kid = random_name()?;
        self.folder.write(&format!("evidence-{kid}.key"), &Hash(random_bytes()?).to_string())?;
        let now = self.clock.now();
        let mut transaction = retire_current(&self.pool, "evidence_keys", now).await?;
        sqlx::query("insert into evidence_keys (kid, not_before) values ($1, $2)")
            .bind(&kid)
            .bind(now)
            .execute(&mut *transaction)
            .await
            .map_err(database)?;
        transaction.commit().await.map_err(database)?;
        Ok(kid)
    }

    /// The current kid and the MAC of each record.
    pub fn sign(&self, tenant: TenantId, records: &[Record]) -> (Arc<str>, Vec<Hash>) {
        // `ensure_key` ran before the first request, so there is always a key.
        let Some(master) = self.in_use() else { return (Arc::from(""), Vec::new()) };
        let key = tenant_key(&master.secret, tenant);
        let macs = records.iter().map(|r| evidence_mac(&key, &r.event_hash)).collect();
        (master.kid.clone(), macs)
    }

    fn in_use(&self) -> Option<Arc<EvidenceMaster>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn current_kid(&self) -> Result<Option<String>, PortError> {
        sqlx::query_scalar("select kid from evidence_keys where not_after is null")
            .fetch_optional(&self.pool)
            .await
            .map_err(database)
    }
}

/// HKDF-SHA-256 (RFC 5869) with the tenant in the info: no tenant's key tells another's.
fn tenant_key(master: &[u8], tenant: TenantId) -> [u8; 32] {
    let mut key = [0; 32];
    let info = [b"exhibit evidence key v1:".as_slice(), tenant.0.as_bytes()].concat();
    // 32 bytes are within HKDF's bound of 255 blocks, so this cannot fail.
    if Hkdf::<Sha256>::new(None, master).expand(&info, &mut key).is_err() {
        key = [0; 32];
    }
    key
}
