//! Opens what is stored: the data folder's lock, PostgreSQL (private or given), the migrations.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use application::tenants::Tenants;
use application::{Clock, Hints, Ids, PortError};
use infrastructure::database::{self, Database, PoolSizes};
use infrastructure::hints::HintChannel;
use infrastructure::keyring::KeyFolder;
use infrastructure::private_postgres::{self, Endpoint, OWNER_ROLE, PrivatePostgres};
use infrastructure::quiet_store::QuietStore;
use infrastructure::system::{SystemClock, SystemIds};
use projections::keys::Keys;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

use crate::config::{Environment, ServeArgs, StoreArgs};

/// The server's login at the private PostgreSQL.
const SERVER_LOGIN: &str = "exhibit_app";

/// Why nothing could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data folder {0} is in use by another exhibit (process {1})")]
    InUse(PathBuf, String),
    #[error("the data folder {0}: {1}")]
    Folder(PathBuf, std::io::Error),
    #[error(transparent)]
    Postgres(#[from] private_postgres::PrivatePostgresError),
    #[error("the database URL cannot be read: expected postgres://user@host/database")]
    Url,
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("EXHIBIT_MASTER_SECRET is not 64 hexadecimal digits")]
    MasterSecret,
}

/// PostgreSQL and the lock, before any runtime exists: the private server must be the child of the
/// main thread, which lives as long as the process.
pub struct Store {
    /// Owns the schema.
    pub owner: PgConnectOptions,
    /// What the server logs in as.
    pub login: PgConnectOptions,
    /// Runs while this lives, when it is private and ours.
    pub postgres: Option<PrivatePostgres>,
    /// Held as long as the folder is used.
    _lock: Option<File>,
    private: bool,
}

/// Who opens: a server needs the folder for itself, a command may work beside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opener {
    Server,
    Command,
}

impl Store {
    /// Finds or starts PostgreSQL. Call it from the main thread.
    pub fn open(args: &StoreArgs, opener: Opener) -> Result<Self, OpenError> {
        if let Some(url) = database_url(args) {
            let options = connect_options(url.expose_secret())?;
            let (owner, login) = (options.clone(), options);
            return Ok(Self { owner, login, postgres: None, _lock: None, private: false });
        }
        let folder = |e| OpenError::Folder(args.data.clone(), e);
        std::fs::create_dir_all(&args.data).map_err(folder)?;
        let data = args.data.canonicalize().map_err(folder)?;
        let (endpoint, postgres, lock) = match lock(&data) {
            Ok(lock) => {
                if opener == Opener::Command && !data.join("postgres").exists() {
                    // Perhaps the server's folder was meant, and this is another one.
                    anstream::eprintln!("exhibit: {} is a new data folder", data.display());
                }
                let postgres = PrivatePostgres::start(&private_postgres::Options {
                    data_dir: data,
                    bin_dir: args.postgres_bin.clone(),
                    launcher: std::env::current_exe().map_err(folder)?,
                })?;
                (postgres.endpoint().clone(), Some(postgres), Some(lock))
            }
            Err(OpenError::InUse(..)) if opener == Opener::Command => {
                (Endpoint::of_running(&data)?, None, None)
            }
            Err(error) => return Err(error),
        };
        let login = |role: &str| {
            PgConnectOptions::new_without_pgpass()
                .socket(&endpoint.socket_dir)
                .port(endpoint.port)
                .database("postgres")
                .username(role)
        };
        let (owner, login) = (login(OWNER_ROLE), login(SERVER_LOGIN));
        Ok(Self { owner, login, postgres, _lock: lock, private: true })
    }

    /// Brings the schema up to date, or insists on one that is when it must not be touched.
    pub async fn make_ready(&self, no_migrate: bool) -> Result<(), PortError> {
        if no_migrate {
            database::insist_on_schema(&self.login).await
        } else {
            self.migrate().await
        }
    }

    /// Brings the schema up to date, and the private server's login.
    pub async fn migrate(&self) -> Result<(), PortError> {
        database::migrate(&self.owner).await?;
        if self.private {
            database::create_private_login(&self.owner, SERVER_LOGIN).await?;
        }
        Ok(())
    }

    pub fn connect(&self, sizes: PoolSizes) -> Database {
        Database::connect(&self.login, sizes)
    }
}

/// Its cause would repeat the URL, which may hold a password, so the error has none.
fn connect_options(url: &str) -> Result<PgConnectOptions, OpenError> {
    // The parser takes any scheme.
    let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let options = url.parse().ok().filter(|_| is_postgres);
    options.ok_or(OpenError::Url)
}

fn database_url(args: &StoreArgs) -> Option<SecretString> {
    let plain = || std::env::var("DATABASE_URL").ok().map(SecretString::from);
    args.database_url.clone().or_else(plain).filter(|url| !url.expose_secret().is_empty())
}

/// Takes the folder for this process. The kernel gives it back when the process ends, however it
/// does; a server that was just killed may need a moment for that.
fn lock(data: &Path) -> Result<File, OpenError> {
    let path = data.join("exhibit.lock");
    let folder = |e| OpenError::Folder(data.to_owned(), e);
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(folder)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(folder)?;
            write!(file, "{}", std::process::id()).map_err(folder)?;
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            Err(OpenError::InUse(data.to_owned(), holder))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(folder(error)),
    }
}

/// The server's own secret, from the settings or from the folder of keys.
pub fn master_secret(args: &StoreArgs, keys: &KeyFolder) -> Result<Arc<[u8]>, OpenError> {
    match &args.master_secret {
        None => Ok(keys.master_secret()?.into()),
        Some(text) => domain::hash::Hash::from_hex(text.expose_secret())
            .map(|secret| Arc::from(secret.0.as_slice()))
            .ok_or(OpenError::MasterSecret),
    }
}

/// What commands that manage tenants and keys work with.
pub struct TenantTools {
    pub database: Database,
    pub keys: Keys,
    pub tenants: Tenants,
    pub key_folder: KeyFolder,
}

impl TenantTools {
    pub fn new(
        database: Database,
        key_folder: KeyFolder,
        pepper: Arc<[u8]>,
        clock: Arc<dyn Clock>,
        hints: Arc<dyn Hints>,
    ) -> Self {
        let keys = Keys::new(database.server.clone());
        let tenants = Tenants {
            commands: Arc::new(QuietStore::new(database.server.clone(), hints)),
            read_model: Arc::new(keys.clone()),
            key_maker: Arc::new(SystemIds),
            pepper,
            clock,
            ids: Arc::new(SystemIds),
        };
        Self { database, keys, tenants, key_folder }
    }

    /// Opens them beside a running server or without one, with the schema up to date.
    pub async fn open(store: &Store, args: &StoreArgs) -> Result<Self, OpenError> {
        store.make_ready(args.no_migrate).await?;
        let key_folder = KeyFolder::open(&args.data)?;
        let pepper = master_secret(args, &key_folder)?;
        let database = store.connect(PoolSizes { server: 2, reader: 1 });
        // Servers find out for themselves: a command is gone before its hint would be.
        let hints = Arc::new(HintChannel::new(SystemIds.uuid()));
        Ok(Self::new(database, key_folder, pepper, Arc::new(SystemClock), hints))
    }
}

/// What production does not start with, all at once.
pub fn production_faults(serve: &ServeArgs, login_may_change: bool) -> Vec<&'static str> {
    let args = &serve.store;
    let tls = serve.tls_terminated_by_proxy || serve.tls_cert.is_some();
    if args.environment != Environment::Production {
        return Vec::new();
    }
    let secret = args.master_secret.as_ref().map(ExposeSecret::expose_secret);
    let varied = |text: &str| {
        let mut digits: Vec<u8> = text.bytes().collect();
        digits.sort_unstable();
        digits.dedup();
        digits.len() >= 6
    };
    let weak =
        secret.is_some_and(|text| domain::hash::Hash::from_hex(text).is_none() || !varied(text));
    [
        (secret.is_none(), "EXHIBIT_MASTER_SECRET is not set"),
        (weak, "EXHIBIT_MASTER_SECRET is a default: 64 random hexadecimal digits are needed"),
        (
            !args.allow_local_keys,
            "the seal and evidence keys are local files: set EXHIBIT_ALLOW_LOCAL_KEYS to accept that",
        ),
        (
            !tls,
            "no TLS: give EXHIBIT_TLS_CERT and EXHIBIT_TLS_KEY, or declare a proxy that terminates \
             it with EXHIBIT_TLS_TERMINATED_BY_PROXY",
        ),
        (
            serve.allow_self_approval,
            "EXHIBIT_ALLOW_SELF_APPROVAL is set: whoever writes a policy must not approve it",
        ),
        (serve.clock_offset_file.is_some(), "EXHIBIT_CLOCK_OFFSET_FILE is set: it is for tests"),
        (
            login_may_change,
            "the database login may update or delete events: log in as a member of exhibit_server \
             and exhibit_reader that owns nothing, and migrate with another",
        ),
    ]
    .into_iter()
    .filter_map(|(fault, reason)| fault.then_some(reason))
    .collect()
}

/// How long a command waits for PostgreSQL's answer to a close.
pub const CLOSE_WAIT: Duration = Duration::from_secs(5);
