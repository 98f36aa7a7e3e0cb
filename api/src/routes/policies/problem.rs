//! What the refusals of policies and of their backtests look like.

use application::CommandError;
use application::backtests::BacktestError;
use application::policies::ApplyError;
use axum::http::StatusCode;
use domain::policy::fault::Fault;
use domain::policy::lifecycle::{PolicyError, Status};
use serde_json::json;

use crate::auth::Caller;
use crate::if_match::precondition_failed;
use crate::problem::Problem;

/// The same for what does not exist and for what is another tenant's.
pub fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "POLICY_NOT_FOUND", "there is no such policy")
}

pub fn backtest_not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "BACKTEST_NOT_FOUND", "there is no such backtest")
}

/// A document that is no policy, with all that is wrong with it.
pub fn invalid(faults: &[Fault]) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "POLICY_INVALID", "the document is not a valid policy")
        .with(json!({ "errors": faults }))
}

fn state(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "POLICY_STATE", detail)
}

/// The refusal of a caller's command.
pub fn refused(error: CommandError<PolicyError>, caller: &Caller) -> Problem {
    match error {
        CommandError::Refused(error) => forbidden(&error, caller),
        CommandError::Conflict => Problem::new(
            StatusCode::CONFLICT,
            "CONFLICT",
            "others are changing this policy faster than this request can: try again",
        ),
        CommandError::Port(error) => error.into(),
    }
}

/// The refusal of a caller's document.
pub fn unwritten(error: ApplyError, caller: &Caller) -> Problem {
    match error {
        ApplyError::Invalid(faults) => invalid(&faults),
        ApplyError::Command(error) => refused(error, caller),
    }
}

fn forbidden(error: &PolicyError, caller: &Caller) -> Problem {
    let detail = error.to_string();
    match error {
        PolicyError::NotFound => not_found(),
        PolicyError::State { command, status } => {
            let allowed = status.map_or(&[] as &[&str], |status| status.allows());
            let status = status.map(Status::as_str);
            state(detail).with(json!({ "command": command, "status": status, "allowed": allowed }))
        }
        // Who is refused for that is one of the authors.
        PolicyError::SelfApproval => {
            state(detail).with(json!({ "reason": "self_approval", "author": caller.actor() }))
        }
        PolicyError::OtherActive(active) => {
            state(detail).with(json!({ "reason": "other_active", "active_version": active }))
        }
        PolicyError::NoControls => state(detail).with(json!({ "reason": "no_controls" })),
        PolicyError::TooManyVersions => {
            state(detail).with(json!({ "reason": "too_many_versions" }))
        }
        PolicyError::Reason => Problem::request(detail),
        PolicyError::Precondition => precondition_failed(detail),
    }
}

impl From<BacktestError> for Problem {
    fn from(error: BacktestError) -> Self {
        let detail = error.to_string();
        let busy = |detail| Self::new(StatusCode::CONFLICT, "BACKTEST_RUNNING", detail);
        match error {
            BacktestError::NotFound => not_found(),
            BacktestError::TenantBusy(running) => {
                busy(detail).with(json!({ "reason": "tenant", "backtest_id": running }))
            }
            BacktestError::ServerBusy => busy(detail).with(json!({ "reason": "server" })),
            BacktestError::Port(error) => error.into(),
        }
    }
}
