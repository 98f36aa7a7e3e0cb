//! `exhibit policy submit`, `activate`, `reject` and `retire`.

use application::policies::Moved;
use clap::Args;
use clap::builder::BoolishValueParser;

use super::super::Outcome;
use super::tools::{At, Named, PolicyTools, with_policies};
use crate::config::Environment;

#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// Which one
    #[arg(value_name = "NAME@VERSION")]
    version: Named,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
pub(super) struct ActivateArgs {
    /// Which one
    #[arg(value_name = "NAME@VERSION")]
    version: Named,
    /// Retire the version that is active, in the same commit
    #[arg(long, env = "EXHIBIT_POLICY_SUPERSEDE", value_parser = BoolishValueParser::new())]
    supersede: bool,
    /// Activate what the same user has written: in development only
    #[arg(long, env = "EXHIBIT_ALLOW_SELF_APPROVAL", value_parser = BoolishValueParser::new())]
    allow_self_approval: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
pub(super) struct ReasonArgs {
    /// Which one
    #[arg(value_name = "NAME@VERSION")]
    version: Named,
    /// Why, for the log
    #[arg(long, env = "EXHIBIT_POLICY_REASON", value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    at: At,
}

fn say(moved: &Moved) {
    println!("{}@{}  {}", moved.name, moved.version, moved.status.as_str());
}

pub(super) fn submit(args: &SubmitArgs) -> Outcome {
    let Named { name, version } = &args.version;
    with_policies(&args.at, async |tools: PolicyTools| {
        say(&tools.policies.submit(&tools.call(), name, version, None).await?);
        Ok(())
    })
}

pub(super) fn activate(args: &ActivateArgs) -> Outcome {
    if args.allow_self_approval && args.at.store.environment == Environment::Production {
        return Err("whoever writes a policy must not approve it in production".into());
    }
    let Named { name, version } = &args.version;
    with_policies(&args.at, async |mut tools: PolicyTools| {
        tools.policies.allow_self_approval = args.allow_self_approval;
        let call = tools.call();
        say(&tools.policies.activate(&call, name, version, args.supersede).await?);
        Ok(())
    })
}

pub(super) fn reject(args: &ReasonArgs) -> Outcome {
    let Named { name, version } = &args.version;
    with_policies(&args.at, async |tools: PolicyTools| {
        let reason = args.reason.clone();
        say(&tools.policies.reject(&tools.call(), name, version, reason).await?);
        Ok(())
    })
}

pub(super) fn retire(args: &ReasonArgs) -> Outcome {
    let Named { name, version } = &args.version;
    with_policies(&args.at, async |tools: PolicyTools| {
        let reason = args.reason.clone();
        say(&tools.policies.retire(&tools.call(), name, version, reason).await?);
        Ok(())
    })
}
