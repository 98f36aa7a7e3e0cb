//! nginx with nchan, Debian's packages as `.config/tools.sh bench` unpacks them.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde_json::value::RawValue;
use tempfile::TempDir;

use crate::Outcome;
use crate::http::Client;
use crate::server::{Place, Running};
use crate::writers::Write;

pub(crate) struct Nchan {
    // Before the folder: that is removed when nobody works in it.
    _process: Running,
    _folder: TempDir,
    pub(crate) address: String,
    messages: Arc<Messages>,
}

/// What is published: items as Exhibit has sent them, each with a position of its own.
struct Messages {
    /// What follows the position in each.
    tails: Vec<String>,
    last: AtomicU64,
}

impl Nchan {
    pub(crate) fn start(items: &[Box<RawValue>]) -> Outcome<Self> {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/nchan");
        let program = place.join("usr/sbin/nginx");
        let module = place.join("usr/lib/nginx/modules/ngx_nchan_module.so");
        let folder = tempfile::Builder::new().prefix("nchan-bench-").tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let conf = folder.path().join("nginx.conf");
        std::fs::write(&conf, configuration(&module, &address))?;
        let process = Command::new(&program)
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "error.log", "-c"])
            .arg(&conf)
            .spawn()
            .map_err(|e| {
                format!("{}: {e} (.config/tools.sh bench fetches it)", program.display())
            })?;
        let messages = Arc::new(Messages::of(items)?);
        Ok(Self { _process: Running::new(process), _folder: folder, address, messages })
    }

    pub(crate) fn mean_bytes(&self) -> usize {
        let messages = &self.messages;
        (1..=messages.tails.len()).map(|_| messages.next().0.len()).sum::<usize>()
            / messages.tails.len()
    }

    pub(crate) async fn publisher(&self) -> Outcome<Publisher> {
        let client = Client::connect(&self.address).await?;
        Ok(Publisher { client, messages: self.messages.clone() })
    }
}

/// Two workers, as Exhibit's server has two threads here; no log, room for every message of a round.
fn configuration(module: &Path, address: &str) -> String {
    let user = if nix::unistd::Uid::effective().is_root() { "user root;" } else { "" };
    format!(
        "load_module {};
        {user}
        daemon off;
        worker_processes 2;
        worker_rlimit_nofile 16384;
        pid nginx.pid;
        events {{ worker_connections 8192; use epoll; }}
        http {{
            access_log off;
            tcp_nodelay on;
            keepalive_requests 1000000;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            nchan_shared_memory_size 512m;
            server {{
                listen {address} backlog=4096;
                location = /publish {{
                    client_body_buffer_size 16k;
                    nchan_publisher http;
                    nchan_channel_id bench;
                    nchan_message_buffer_length 20000;
                    nchan_message_timeout 60s;
                }}
                location = /subscribe {{
                    nchan_subscriber eventsource;
                    nchan_channel_id bench;
                    nchan_subscriber_first_message newest;
                }}
            }}
        }}
        ",
        module.display()
    )
}

/// The newest items of a log, as text.
pub(crate) async fn items_of(place: &Place) -> Outcome<Vec<Box<RawValue>>> {
    #[derive(Deserialize)]
    struct Page {
        items: Vec<Box<RawValue>>,
    }
    let request = format!(
        "GET /v1/events/history?limit=200&type=session.events_appended HTTP/1.1\r\nhost: {}\r\n\
         authorization: Bearer {}\r\n\r\n",
        place.address, place.key
    );
    let mut client = Client::connect(&place.address).await?;
    let page: Page = serde_json::from_str(client.exchange(request.as_bytes()).await?)?;
    Ok(page.items)
}

const BEGINNING: &str = "{\"v\":1,\"position\":";

impl Messages {
    fn of(items: &[Box<RawValue>]) -> Outcome<Self> {
        let tails = items.iter().map(|item| {
            let rest = item.get().strip_prefix(BEGINNING)?;
            Some(rest.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned())
        });
        let tails: Option<Vec<String>> = tails.collect();
        // As many digits as the items have had.
        Ok(Self { tails: tails.ok_or("an item of another shape")?, last: AtomicU64::new(100_000) })
    }

    fn next(&self) -> (String, u64) {
        let position = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let tail = &self.tails[position as usize % self.tails.len()];
        (format!("{BEGINNING}{position}{tail}"), position)
    }
}

/// Publishes one message at a time.
pub(crate) struct Publisher {
    client: Client,
    messages: Arc<Messages>,
}

impl Write for Publisher {
    async fn write(&mut self) -> Outcome<u64> {
        let (body, position) = self.messages.next();
        let request = format!(
            "POST /publish HTTP/1.1\r\nhost: nchan\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.client.exchange(request.as_bytes()).await?;
        Ok(position)
    }
}
