//! What the judge has found, made anew like a read model: the application's judge behind the
//! runner's rebuild.

use application::judging::{Bench, Judge, Progress};
use async_trait::async_trait;
use domain::ids::TenantId;
use infrastructure::docket::{NAME, TABLES};
use projections::runner::{Outcome, RebuildError, Rebuildable};

/// Violations are not made again: their keys are taken. What else was found is.
pub struct Judgement(pub Judge);

#[async_trait]
impl Rebuildable for Judgement {
    fn name(&self) -> &'static str {
        NAME
    }

    fn tables(&self) -> &'static [&'static str] {
        &TABLES
    }

    async fn follow(&self, tenant: TenantId, generation: i32) -> Result<Outcome, RebuildError> {
        Ok(match self.0.step(tenant, Bench::Built(generation)).await? {
            Progress::More => Outcome::More,
            Progress::Done => Outcome::Done,
            Progress::Busy => Outcome::Busy,
            Progress::Superseded => Outcome::Superseded,
        })
    }
}
