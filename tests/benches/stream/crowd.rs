//! Subscribers: many connections that count what they get. A sample of them notes when.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::Outcome;
use crate::http::connect;
use crate::items::Scanner;

/// What one read takes at most; shared by the connections of a thread, so that it stays in its cache.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Threads that read for all subscribers.
const THREADS: usize = 2;
/// Connections of which one notes when it gets what.
const SAMPLE: usize = 50;
/// Until all have connected.
const OPEN_MAX: Duration = Duration::from_secs(20);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

/// One connection that gets a stream.
pub(crate) struct Subscription {
    stream: TcpStream,
    scanner: Scanner,
}

impl Subscription {
    /// Asks for a stream; it has begun when this returns.
    pub(crate) async fn open(address: &str, request: &str) -> Outcome<(Self, u64)> {
        let stream = connect(address).await?;
        let mut this = Self { stream, scanner: Scanner::new() };
        this.stream.write_all(request.as_bytes()).await?;
        let (mut greeted, mut items) = (false, 0);
        this.read(|bytes| greeted = bytes.starts_with(b"HTTP/1.1 200"), |_| items += 1).await?;
        if greeted { Ok((this, items)) } else { Err("a subscriber was refused".into()) }
    }

    /// Waits for bytes and looks for items in them. The end of the stream is an error.
    pub(crate) async fn next(&mut self, item: impl FnMut(u64)) -> Outcome<()> {
        self.read(|_| {}, item).await
    }

    async fn read(
        &mut self,
        mut bytes: impl FnMut(&[u8]),
        mut item: impl FnMut(u64),
    ) -> Outcome<()> {
        loop {
            self.stream.readable().await?;
            let read = BUFFER.with_borrow_mut(|buffer| {
                let held = self.scanner.begin(buffer);
                let read = self.stream.try_read(&mut buffer[held..])?;
                bytes(&buffer[held..held + read]);
                self.scanner.scan(&buffer[..held + read], &mut item);
                Ok(read)
            });
            match read {
                Ok(0) => return Err("a stream has ended".into()),
                Ok(_) => return Ok(()),
                Err(error) if ErrorKind::WouldBlock == std::io::Error::kind(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// An item that a sampled subscriber got.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    pub(crate) position: u64,
    pub(crate) at: Instant,
}

/// What the subscribers have got.
struct Seen {
    counts: Vec<AtomicU64>,
    opened: AtomicU64,
    deliveries: Mutex<Vec<Delivery>>,
    fault: Mutex<Option<String>>,
    ending: AtomicBool,
}

/// Subscribers on threads of their own.
pub(crate) struct Crowd {
    seen: Arc<Seen>,
    /// Given up when the crowd goes.
    runtime: Option<Runtime>,
}

impl Crowd {
    /// One subscriber a request, so many connecting at a time; returns before they have connected.
    pub(crate) fn gather(address: &str, requests: Vec<String>, at_a_time: usize) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build()?;
        let seen = Arc::new(Seen {
            counts: requests.iter().map(|_| AtomicU64::new(0)).collect(),
            opened: AtomicU64::new(0),
            deliveries: Mutex::default(),
            fault: Mutex::default(),
            ending: AtomicBool::new(false),
        });
        let gate = Arc::new(Semaphore::new(at_a_time));
        for (index, request) in requests.into_iter().enumerate() {
            let (seen, gate, address) = (seen.clone(), gate.clone(), address.to_owned());
            runtime.spawn(async move {
                if let Err(error) = subscribe(&seen, index, &gate, &address, request).await
                    && !seen.ending.load(Ordering::Relaxed)
                {
                    let mut fault = seen.fault.lock().unwrap_or_else(PoisonError::into_inner);
                    fault.get_or_insert(error.to_string());
                }
            });
        }
        Ok(Self { seen, runtime: Some(runtime) })
    }

    /// Waits until all streams have begun.
    pub(crate) async fn opened(&self) -> Outcome<()> {
        let all = self.seen.counts.len() as u64;
        self.until(OPEN_MAX, || self.seen.opened.load(Ordering::Relaxed) == all).await
    }

    /// Waits until each subscriber has got as many items as it is to get.
    pub(crate) async fn have(&self, wanted: impl Fn(usize) -> u64, max: Duration) -> Outcome<()> {
        let has_all = || {
            let mut counts = self.seen.counts.iter().enumerate();
            counts.all(|(index, count)| count.load(Ordering::Relaxed) >= wanted(index))
        };
        self.until(max, has_all).await
    }

    async fn until(&self, max: Duration, is_done: impl Fn() -> bool) -> Outcome<()> {
        let began = Instant::now();
        loop {
            self.check()?;
            if is_done() {
                return Ok(());
            }
            if began.elapsed() > max {
                return Err("subscribers wait for ever".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// That no subscriber has failed.
    pub(crate) fn check(&self) -> Outcome<()> {
        let fault = self.seen.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.clone().map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Items that all have got together.
    pub(crate) fn total(&self) -> u64 {
        self.seen.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// What the sample has got so far.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.seen.deliveries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Streams that end from now on end because they should.
    pub(crate) fn ends(&self) {
        self.seen.ending.store(true, Ordering::Relaxed);
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.ends();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn subscribe(
    seen: &Seen,
    index: usize,
    gate: &Semaphore,
    address: &str,
    request: String,
) -> Outcome<()> {
    let permit = gate.acquire().await?;
    let (mut subscription, items) = Subscription::open(address, &request).await?;
    drop((permit, request));
    seen.opened.fetch_add(1, Ordering::Relaxed);
    let count = &seen.counts[index];
    count.fetch_add(items, Ordering::Relaxed);
    let is_sampled = index.is_multiple_of(SAMPLE);
    let mut got = Vec::new();
    loop {
        let mut items = 0;
        subscription
            .next(|position| {
                items += 1;
                if is_sampled {
                    got.push(position);
                }
            })
            .await?;
        if is_sampled {
            let at = Instant::now();
            let mut deliveries = seen.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
            deliveries.extend(got.drain(..).map(|position| Delivery { position, at }));
        }
        count.fetch_add(items, Ordering::Relaxed);
    }
}
