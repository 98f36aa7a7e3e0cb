//! What analysts ask, answered from read models.

pub mod agents;
mod buckets;
pub mod events_over_time;
pub mod sessions_by_class;
pub mod sla;
pub mod tools;
pub mod violations_by_actor;
pub mod violations_by_policy;
pub mod violations_by_severity;

use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use projections::aggregations::{Answer, Window};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::conditional;
use crate::extract;
use crate::problem::Problem;
use crate::state::App;

/// Hours of a window: a year and a day.
const HOURS_MAX: i64 = 366 * 24;
const WINDOW_DEFAULT: &str = "24h";
/// Rows of a ranking, when no number is asked for, and at most.
const ROWS_DEFAULT: u64 = 20;
const ROWS_MAX: u64 = 500;

/// The window that an answer is about: whole hours, the running one included.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct WindowBody {
    since: DateTime<Utc>,
    /// Not included.
    until: DateTime<Utc>,
}

/// What a ranking is narrowed to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RankQuery {
    /// Hours or days up to now: `24h` (when absent), `7d`.
    #[param(pattern = "^[1-9][0-9]{0,3}[hd]$")]
    window: Option<String>,
    /// This agent alone.
    agent_id: Option<String>,
    /// Rows at most: 20 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

/// A ranking.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankBody<T: ToSchema> {
    window: WindowBody,
    items: Vec<T>,
    /// The answer stands for the log up to here.
    position: i64,
}

/// A ranking that was asked for.
struct Asked {
    window: Window,
    limit: i64,
    shown: WindowBody,
}

impl RankQuery {
    fn read(self, app: &App) -> Result<Asked, Problem> {
        let (window, shown) = window(app, self.window.as_deref(), self.agent_id)?;
        Ok(Asked {
            window,
            limit: extract::limit(self.limit, ROWS_DEFAULT, ROWS_MAX)? as i64,
            shown,
        })
    }
}

impl Asked {
    fn answer<T>(self, headers: &HeaderMap, answer: Answer<T>) -> Result<Response, Problem>
    where
        T: Serialize + ToSchema,
    {
        let (items, position) = (answer.rows, answer.position);
        conditional::json(headers, &RankBody { window: self.shown, items, position })
    }
}

/// Reads `24h` or `7d`. Windows end with the running hour, so that an answer changes with the data
/// and once an hour.
fn window(
    app: &App,
    asked: Option<&str>,
    agent_id: Option<String>,
) -> Result<(Window, WindowBody), Problem> {
    let hours = hours(asked.unwrap_or(WINDOW_DEFAULT)).ok_or_else(|| {
        Problem::query("window is a number of hours or days, like 24h or 7d, up to 366d")
    })?;
    let agent_id = extract::name("agent_id", agent_id)?;
    let hour = TimeDelta::hours(1);
    let until = app.clock.now().duration_trunc(hour).map_err(Problem::internal)? + hour;
    let since = until - TimeDelta::hours(hours);
    Ok((Window { since, until, agent_id }, WindowBody { since, until }))
}

fn hours(text: &str) -> Option<i64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let plain =
        digits.len() <= 4 && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    let number: i64 = plain.then(|| digits.parse().ok()).flatten()?;
    let hours = match unit {
        "h" => number,
        "d" => number * 24,
        _ => return None,
    };
    (1..=HOURS_MAX).contains(&hours).then_some(hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_number_of_hours_or_days() {
        assert_eq!(hours("24h"), Some(24));
        assert_eq!(hours("7d"), Some(168));
        assert_eq!(hours("366d"), Some(HOURS_MAX));
        for text in [
            "", "h", "0h", "024h", "-1h", "1", "367d", "8785h", "1w", "1.5h", "99999h", "+1h", "1é",
        ] {
            assert_eq!(hours(text), None, "{text}");
        }
    }
}
