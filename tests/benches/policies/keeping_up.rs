//! How far the judge is behind the log while events come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::Outcome;
use crate::documents::ten_controls;
use crate::machine::{Median, quantile_ms};
use crate::server::{Server, caught_up, judged};

const ROUNDS: usize = 3;
const LOOK: Duration = Duration::from_millis(20);
const SECONDS: &str = "4";
/// The first is what is asked for; the others say where the machine ends when it is not kept up with.
const RATES: [u32; 4] = [50_000, 30_000, 20_000, 10_000];
const P99_MS_MAX: f64 = 1_000.0;
/// The rate that was offered was taken, but for the ends.
const TAKEN_MIN: f64 = 0.95;

/// One look at the log and the judge.
struct Look {
    at: Instant,
    head: i64,
    judged: i64,
}

pub(crate) async fn lag() -> Outcome<()> {
    let server = Server::start(&[])?;
    let pool = server.owner_pool(2).await?;
    server.activate(&ten_controls("1.0.0", 97)).await?;
    // Tables of some size, and statistics of them.
    server.load(&["--seconds", "1", "--rate", "20000"]).await?;
    caught_up(&pool).await?;
    for offered in RATES {
        let [mut taken, mut p50, mut p99, mut rest, mut cores] =
            std::array::from_fn(|_| Median::default());
        for _ in 0..ROUNDS {
            let (end, before) = (Arc::new(AtomicBool::new(false)), server.used());
            let looking = tokio::spawn(look_around(pool.clone(), end.clone()));
            let began = Instant::now();
            let rate = offered.to_string();
            taken.add(server.load(&["--seconds", SECONDS, "--rate", &rate]).await?);
            let (loaded, after) = (Instant::now(), server.used());
            end.store(true, Ordering::Relaxed);
            let mut ages = ages(&looking.await??);
            p50.add(quantile_ms(&mut ages, 0.5));
            p99.add(quantile_ms(&mut ages, 0.99));
            cores.add((after.own - before.own) / (loaded - began).as_secs_f64());
            caught_up(&pool).await?;
            rest.add(loaded.elapsed().as_secs_f64());
        }
        println!(
            "oldest event that is not judged, {offered} events/s offered, {:.0} taken: p50 {:.0} ms, \
             p99 {:.0} ms (limit {P99_MS_MAX}); all level {:.2} s after the last; {:.2} cores by the \
             server",
            taken.get(),
            p50.get(),
            p99.get(),
            rest.get(),
            cores.get()
        );
        if p99.get() < P99_MS_MAX && taken.get() > TAKEN_MIN * f64::from(offered) {
            break;
        }
    }
    println!(
        "  limited by: the machine's cores, which server, PostgreSQL and load share; one judge a \
         tenant, and the read models beside it"
    );
    Ok(())
}

async fn look_around(pool: PgPool, end: Arc<AtomicBool>) -> Outcome<Vec<Look>> {
    let mut looks = Vec::new();
    let mut pause = tokio::time::interval(LOOK);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !end.load(Ordering::Relaxed) {
        pause.tick().await;
        let (head, judged) = judged(&pool).await?;
        looks.push(Look { at: Instant::now(), head, judged });
    }
    Ok(looks)
}

/// At each look, of the oldest event that was not judged. It was committed after the last look that
/// did not see it: its age is counted from there, so it may be too long and is never too short.
fn ages(looks: &[Look]) -> Vec<Duration> {
    let mut ages = Vec::new();
    let mut unseen = 0;
    for look in looks {
        if look.judged >= look.head {
            ages.push(Duration::ZERO);
            continue;
        }
        while looks.get(unseen + 1).is_some_and(|next| next.head <= look.judged) {
            unseen += 1;
        }
        let since = looks.get(unseen).map_or(look.at, |before| before.at);
        ages.push(look.at.saturating_duration_since(since));
    }
    ages
}
