//! What the verbs that need the database work with, and how they name things.

use std::str::FromStr;
use std::sync::Arc;

use application::backtests::Backtests;
use application::policies::{ApplyError, Policies, PolicyCall};
use application::{Ids, Metadata};
use clap::Args;
use domain::ids::TenantId;
use domain::policy::fault::Fault as DocumentFault;
use infrastructure::backtests::PgBacktests;
use infrastructure::docket::PolicyBook;
use infrastructure::hints::HintChannel;
use infrastructure::policies_in_force::PgPoliciesInForce;
use infrastructure::quiet_store::QuietStore;
use infrastructure::system::{SystemClock, SystemIds};
use projections::TenantReads;

use super::super::report::printable;
use super::super::{Fault, actor, close, tenant, with_store};
use crate::config::StoreArgs;
use crate::store::{Store, TenantTools};

/// Whose policies, and where.
#[derive(Debug, Args)]
pub(super) struct At {
    /// The tenant's name or id; may be left out when there is exactly one
    #[arg(long, env = "EXHIBIT_TENANT", value_name = "NAME")]
    tenant: Option<String>,
    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// `NAME@VERSION`.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) version: String,
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('@').filter(|(name, version)| {
            !name.is_empty() && !version.is_empty() && !text.contains('\0')
        });
        let (name, version) = parts.ok_or("expected NAME@VERSION, e.g. tool-access@1.2.0")?;
        Ok(Self { name: name.to_owned(), version: version.to_owned() })
    }
}

/// The ways to one tenant's policies.
pub(super) struct PolicyTools {
    pub(super) tenant: TenantId,
    pub(super) policies: Policies,
    pub(super) backtests: Backtests,
    pub(super) reads: TenantReads,
}

impl PolicyTools {
    /// Who the log says it was, without a demand on the revision.
    pub(super) fn call(&self) -> PolicyCall {
        let metadata = Metadata { actor: actor(), correlation_id: String::new() };
        PolicyCall { tenant: self.tenant, metadata, expected: None }
    }

    async fn open(tools: TenantTools, at: &At) -> Result<Self, Fault> {
        let tenant = tenant::find(&tools, at.tenant.as_deref()).await?;
        let pool = tools.database.server.clone();
        let clock = Arc::new(SystemClock);
        // Servers find out for themselves: a command is gone before its hint would be.
        let hints = Arc::new(HintChannel::new(SystemIds.uuid()));
        let store = PgBacktests::new(pool.clone(), PolicyBook::default());
        Ok(Self {
            tenant,
            policies: Policies {
                commands: Arc::new(QuietStore::new(pool.clone(), hints)),
                in_force: Arc::new(PgPoliciesInForce::new(pool)),
                clock: clock.clone(),
                allow_self_approval: false,
            },
            backtests: Backtests::new(Arc::new(store), clock, Arc::new(SystemIds)),
            reads: TenantReads::new(tools.database.reader.clone()),
        })
    }
}

/// Works on the policies of the tenant that is named.
pub(super) fn with_policies<T>(
    at: &At,
    work: impl AsyncFnOnce(PolicyTools) -> Result<T, Fault>,
) -> Result<T, Fault> {
    with_store(&at.store, async |store: &Store| {
        let tools = TenantTools::open(store, &at.store).await?;
        let database = tools.database.clone();
        let outcome = match PolicyTools::open(tools, at).await {
            Ok(tools) => work(tools).await,
            Err(error) => Err(error),
        };
        close(&database).await;
        outcome
    })
}

/// One line a fault: the file, the place, what is wrong.
pub(super) fn told(file: &str, faults: &[DocumentFault]) -> String {
    let line = |fault: &DocumentFault| {
        let place = if fault.pointer.is_empty() { "/" } else { &fault.pointer };
        format!("{}: {}: {}", printable(file), printable(place), printable(&fault.message))
    };
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What keeps a document from being taken.
pub(super) fn refusal(file: &str, error: ApplyError) -> Fault {
    match error {
        ApplyError::Invalid(faults) => told(file, &faults).into(),
        ApplyError::Command(error) => format!("{}: {error}", printable(file)).into(),
    }
}
