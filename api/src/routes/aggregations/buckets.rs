//! Windows cut into hours or days, in UTC.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use projections::aggregations::{Bucket, Window};
use projections::dashboards::{GroupCount, Span};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::WindowBody;
use crate::problem::Problem;
use crate::state::App;

/// Up to so many hours the bucket is an hour, unless it is asked for.
const HOURLY_HOURS_MAX: i64 = 72;
/// Buckets of an answer.
pub(super) const BUCKETS_MAX: u64 = 1_000;

/// What is counted, and in which buckets.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BucketQuery {
    /// Hours or days up to now: `24h` (when absent), `7d`.
    #[param(pattern = "^[1-9][0-9]{0,3}[hd]$")]
    window: Option<String>,
    /// `hour` or `day`, in UTC; absent, hours up to three days, and days beyond.
    #[param(pattern = "^(hour|day)$")]
    bucket: Option<String>,
}

/// Violations of each group, in buckets of the time of their detection.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupsBody {
    window: WindowBody,
    /// `hour` or `day`.
    bucket: &'static str,
    /// Of all groups.
    total: i64,
    /// The group with most first.
    items: Vec<GroupBody>,
    /// The answer stands for the log up to here.
    position: i64,
}

/// One policy, or one severity.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupBody {
    name: String,
    violations: i64,
    unresolved: i64,
    /// Buckets with violations, oldest first.
    buckets: Vec<GroupBucket>,
}

/// One bucket of a group.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupBucket {
    start: DateTime<Utc>,
    violations: i64,
    unresolved: i64,
}

/// A window that was asked for, in whole buckets.
pub(super) struct Bucketed {
    pub(super) span: Span,
    pub(super) bucket: Bucket,
    pub(super) shown: WindowBody,
    /// The beginning of every bucket, oldest first.
    pub(super) starts: Vec<DateTime<Utc>>,
}

impl BucketQuery {
    pub(super) fn read(&self, app: &App) -> Result<Bucketed, Problem> {
        let (mut window, _) = super::window(app, self.window.as_deref(), None)?;
        let bucket = bucket(self.bucket.as_deref(), &window)?;
        let starts = starts(&mut window, width(bucket), BUCKETS_MAX as i64)?;
        let (since, until) = (window.since, window.until);
        let shown = WindowBody { since, until };
        Ok(Bucketed { span: Span { since, until }, bucket, shown, starts })
    }
}

impl Bucketed {
    /// Groups with their buckets, the one with most first.
    pub(super) fn groups(self, rows: Vec<GroupCount>, position: i64) -> GroupsBody {
        let mut groups: BTreeMap<String, Vec<GroupBucket>> = BTreeMap::new();
        for GroupCount { bucket, name, violations, unresolved } in rows {
            let bucket = GroupBucket { start: bucket, violations, unresolved };
            groups.entry(name).or_default().push(bucket);
        }
        let group = |(name, buckets): (String, Vec<GroupBucket>)| GroupBody {
            name,
            violations: buckets.iter().map(|b| b.violations).sum(),
            unresolved: buckets.iter().map(|b| b.unresolved).sum(),
            buckets,
        };
        let mut items: Vec<GroupBody> = groups.into_iter().map(group).collect();
        // Stable: groups with as many stay in the order of their names.
        items.sort_by_key(|group| std::cmp::Reverse(group.violations));
        GroupsBody {
            window: self.shown,
            bucket: self.bucket.as_str(),
            total: items.iter().map(|group| group.violations).sum(),
            items,
            position,
        }
    }
}

/// The bucket that is asked for, or that fits the window.
pub(super) fn bucket(asked: Option<&str>, window: &Window) -> Result<Bucket, Problem> {
    let hours = (window.until - window.since).num_hours();
    match asked {
        Some("hour") => Ok(Bucket::Hour),
        None if hours <= HOURLY_HOURS_MAX => Ok(Bucket::Hour),
        Some("day") | None => Ok(Bucket::Day),
        Some(_) => Err(Problem::query("bucket is hour or day")),
    }
}

pub(super) fn width(bucket: Bucket) -> TimeDelta {
    match bucket {
        Bucket::Hour => TimeDelta::hours(1),
        Bucket::Day => TimeDelta::days(1),
    }
}

/// The beginnings of the window's buckets, oldest first. The window is widened to whole buckets, and
/// cut to the latest `limit`.
pub(super) fn starts(
    window: &mut Window,
    width: TimeDelta,
    limit: i64,
) -> Result<Vec<DateTime<Utc>>, Problem> {
    let last = window.until - TimeDelta::hours(1);
    let last = last.duration_trunc(width).map_err(Problem::internal)?;
    let first = window.since.duration_trunc(width).map_err(Problem::internal)?;
    let latest = last - width * i32::try_from(limit - 1).unwrap_or(i32::MAX);
    let first = first.max(latest);
    window.since = first;
    let count = (last - first).num_hours() / width.num_hours() + 1;
    Ok((0..count).map(|n| first + width * i32::try_from(n).unwrap_or(i32::MAX)).collect())
}
