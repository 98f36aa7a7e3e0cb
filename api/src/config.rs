//! Settings: each is a flag with its `EXHIBIT_…` variable. The README's table is made of this.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use secrecy::SecretString;

use crate::extract;
use crate::problem::Problem;

/// Where the data is, and which database.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Folder of the private PostgreSQL and of the keys
    #[arg(long, env = "EXHIBIT_DATA", default_value = "exhibit-data", value_name = "DIR")]
    pub data: PathBuf,
    /// PostgreSQL to use instead of a private one (`DATABASE_URL` is taken, too)
    #[arg(long, env = "EXHIBIT_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// Folder of PostgreSQL's programs, when they are not found
    #[arg(long, env = "EXHIBIT_POSTGRES_BIN", value_name = "DIR")]
    pub postgres_bin: Option<PathBuf>,
    /// Refuse to start with missing migrations instead of applying them
    #[arg(long, env = "EXHIBIT_NO_MIGRATE", value_parser = BoolishValueParser::new())]
    pub no_migrate: bool,
    /// development makes keys and a demo tenant by itself; production refuses what is unsafe
    #[arg(long, env = "EXHIBIT_ENV", default_value = "development", value_name = "NAME")]
    pub environment: Environment,
    /// The server's own secret: 64 hexadecimal digits; keys the hashes of API keys, signs cursors
    #[arg(long, env = "EXHIBIT_MASTER_SECRET", value_name = "HEX", hide_env_values = true)]
    pub master_secret: Option<SecretString>,
    /// Let production use seal and evidence keys in files of the data folder
    #[arg(long, env = "EXHIBIT_ALLOW_LOCAL_KEYS", value_parser = BoolishValueParser::new())]
    pub allow_local_keys: bool,
}

/// How the server serves.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Address to listen on; port 0 is any free one
    #[arg(long, env = "EXHIBIT_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// A proxy before the server terminates TLS (production asks for it)
    #[arg(long, env = "EXHIBIT_TLS_TERMINATED_BY_PROXY",
          value_parser = BoolishValueParser::new())]
    pub tls_terminated_by_proxy: bool,
    /// Certificate chain to speak TLS with, as PEM, the server's own first
    #[arg(long, env = "EXHIBIT_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, env = "EXHIBIT_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Identity that seals name; made once for a database when absent
    #[arg(long, env = "EXHIBIT_SERVICE_ID", value_name = "NAME")]
    pub service_id: Option<String>,
    /// What is logged: a level, or tracing's filter directives
    #[arg(long, env = "EXHIBIT_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub streams: StreamSettings,
    /// Seconds after which a session without activity is closed; 0 is never
    #[arg(long, env = "EXHIBIT_SESSION_IDLE_SECONDS_MAX", default_value_t = 0, value_name = "N")]
    pub session_idle_seconds_max: u32,
    /// Let who wrote a policy activate it: for development, refused in production
    #[arg(long, env = "EXHIBIT_ALLOW_SELF_APPROVAL", value_parser = BoolishValueParser::new())]
    pub allow_self_approval: bool,
    /// Seconds for which the links of an evidence pack work
    #[arg(long, env = "EXHIBIT_PACK_LINK_SECONDS", default_value_t = 3_600, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub pack_link_seconds: u32,
    /// Hours for which the files of exports, bundles and packs are kept
    #[arg(long, env = "EXHIBIT_EXPORT_HOURS_KEPT", default_value_t = 168, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub export_hours_kept: u32,
    /// Seconds that running requests get when the server stops
    #[arg(long, env = "EXHIBIT_SHUTDOWN_SECONDS_MAX", default_value_t = 20, value_name = "N")]
    pub shutdown_seconds_max: u64,
    /// Connections to the database for writing
    #[arg(long, env = "EXHIBIT_SERVER_CONNECTIONS_MAX", default_value_t = 12, value_name = "N")]
    pub server_connections_max: u32,
    /// Connections to the database for reading
    #[arg(long, env = "EXHIBIT_READER_CONNECTIONS_MAX", default_value_t = 12, value_name = "N")]
    pub reader_connections_max: u32,
    /// Groups of appends that are written at a time
    #[arg(long, env = "EXHIBIT_WRITERS", default_value_t = 3, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=64))]
    pub writers: u32,
    /// File with the seconds that the clock is ahead: for tests that travel in time
    #[arg(long, env = "EXHIBIT_CLOCK_OFFSET_FILE", hide = true)]
    pub clock_offset_file: Option<PathBuf>,
    /// Leave read models as they are: for measuring what following the log costs
    #[arg(long, env = "EXHIBIT_NO_FOLLOWERS", hide = true,
          value_parser = BoolishValueParser::new())]
    pub no_followers: bool,
}

/// Bounds of requests and pages.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Bytes of a request's body
    #[arg(long, env = "EXHIBIT_BODY_BYTES_MAX", default_value_t = 4 << 20, value_name = "N")]
    pub body_bytes_max: usize,
    /// Events of one append
    #[arg(long, env = "EXHIBIT_BATCH_EVENTS_MAX", default_value_t = 1000, value_name = "N")]
    pub batch_events_max: usize,
    /// Bytes of one event
    #[arg(long, env = "EXHIBIT_EVENT_BYTES_MAX", default_value_t = 256 << 10, value_name = "N")]
    pub event_bytes_max: usize,
    /// Items of a page, at most
    #[arg(long, env = "EXHIBIT_PAGE_ITEMS_MAX", default_value_t = 500, value_name = "N")]
    pub page_items_max: usize,
    /// Items of a page that asks for no number
    #[arg(long, env = "EXHIBIT_PAGE_ITEMS_DEFAULT", default_value_t = 50, value_name = "N")]
    pub page_items_default: usize,
}

/// How streams are replayed and bounded.
#[derive(Debug, Clone, Args)]
pub struct StreamSettings {
    /// Seconds after which an unseen item makes a cursor expire
    #[arg(long, env = "EXHIBIT_STREAM_WINDOW_SECONDS", default_value_t = 7 * 24 * 3600,
          value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub stream_window_seconds: u32,
    /// Items that a stream replays at most
    #[arg(long, env = "EXHIBIT_STREAM_REPLAY_ITEMS_MAX", default_value_t = 500, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub stream_replay_items_max: u64,
    /// Seconds after which a stream ends and its rights are checked anew, give or take a fifth
    #[arg(long, env = "EXHIBIT_STREAM_SECONDS_MAX", default_value_t = 600, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub stream_seconds_max: u32,
    /// Seconds without a write after which a stream shows that it lives
    #[arg(long, env = "EXHIBIT_STREAM_HEARTBEAT_SECONDS", default_value_t = 15, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub stream_heartbeat_seconds: u32,
    /// Seconds without progress after which a connection that cannot be written to is closed
    #[arg(long, env = "EXHIBIT_WRITE_STALL_SECONDS_MAX", default_value_t = 30, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub write_stall_seconds_max: u32,
    /// Streams of one key at a time
    #[arg(long, env = "EXHIBIT_STREAMS_PER_KEY_MAX", default_value_t = 200, value_name = "N")]
    pub streams_per_key_max: usize,
    /// Streams of one tenant at a time
    #[arg(long, env = "EXHIBIT_STREAMS_PER_TENANT_MAX", default_value_t = 2_000, value_name = "N")]
    pub streams_per_tenant_max: usize,
    /// Streams of this server at a time
    #[arg(long, env = "EXHIBIT_STREAMS_MAX", default_value_t = 10_000, value_name = "N")]
    pub streams_max: usize,
}

/// How careful the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Environment {
    Development,
    Production,
}

impl Limits {
    /// The size of a page.
    pub fn page(&self, asked: Option<u64>) -> Result<usize, Problem> {
        let (default, max) = (self.page_items_default as u64, self.page_items_max as u64);
        extract::limit(asked, default, max).map(|limit| limit as usize)
    }
}

/// The flags of `exhibit serve` as a Markdown table, for the README: those that are shown.
pub fn table() -> String {
    let command = ServeArgs::augment_args(clap::Command::new("serve"));
    let mut table = String::from("| flag | variable | default | what |\n|---|---|---|---|\n");
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let flag = arg.get_long().unwrap_or_default();
        let variable = arg.get_env().and_then(|name| name.to_str()).unwrap_or_default();
        let default = arg.get_default_values().first().and_then(|v| v.to_str());
        let default = default.map_or("–".to_owned(), |text| format!("`{text}`"));
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        // Writing to a String does not fail.
        let _ = writeln!(table, "| `--{flag}` | `{variable}` | {default} | {help} |");
    }
    table
}
