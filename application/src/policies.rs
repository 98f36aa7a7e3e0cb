//! Writing, reviewing, activating and retiring policies.

use std::sync::Arc;

use async_trait::async_trait;
use domain::evidence::seal::ActivePolicy;
use domain::ids::TenantId;
use domain::policy::fault::Fault;
use domain::policy::lifecycle::{
    Draft, Named, PolicyAction, PolicyCommand, PolicyError, PolicyVersions, Status, Version,
};
use domain::policy::validate::Policy;
use serde_json::Value;
use uuid::Uuid;

use crate::ports::{AggregateId, Clock, CommandError, Commands, Metadata, PortError};

/// How often a command is decided again when somebody else changes the same policy meanwhile.
const ROUNDS_MAX: usize = 8;

/// What is in force for a tenant: what seals name, and what appends are held to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InForce {
    /// Position of the last event of any policy; 0 when there was none.
    pub position: u64,
    /// Name, version and content hash of each ACTIVE version, by name.
    pub policies: Vec<ActivePolicy>,
    /// `limits.max_events_per_session` of those that have one: policy and limit.
    pub session_limits: Arc<[(String, u64)]>,
}

/// Which policies are in force now.
#[async_trait]
pub trait PoliciesInForce: Send + Sync {
    /// As it stands in the database.
    async fn now(&self, tenant: TenantId) -> Result<Arc<InForce>, PortError>;

    /// As this server knows it, at most about a second old.
    async fn lately(&self, tenant: TenantId) -> Result<Arc<InForce>, PortError>;

    /// What this server knows is old: it has just changed it.
    fn forget(&self, tenant: TenantId);
}

/// The write side of policies.
#[derive(Clone)]
pub struct Policies {
    /// The write door.
    pub commands: Arc<dyn Commands<PolicyVersions>>,
    /// What appends are held to.
    pub in_force: Arc<dyn PoliciesInForce>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who wrote a version may activate it: in development alone.
    pub allow_self_approval: bool,
}

/// What has become of a document that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// A new version.
    Drafted,
    /// A draft with another text.
    Revised,
    /// The version has this text already.
    Unchanged,
}

/// Why a document was not taken.
#[derive(Debug)]
pub enum ApplyError {
    /// The document is no policy.
    Invalid(Vec<Fault>),
    /// The lifecycle forbids it, or the machinery failed.
    Command(CommandError<PolicyError>),
}

impl From<CommandError<PolicyError>> for ApplyError {
    fn from(error: CommandError<PolicyError>) -> Self {
        Self::Command(error)
    }
}

/// A version as it stands after a command, and where the command stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Of the policy.
    pub name: String,
    /// The version that was meant.
    pub version: String,
    /// Where it stands now.
    pub status: Status,
    /// Of its text.
    pub content_hash: String,
    /// Events that concern it.
    pub revision: u64,
    /// None when nothing changed.
    pub position: Option<u64>,
}

impl Moved {
    fn to(name: &str, version: String, known: &Version, position: Option<u64>) -> Self {
        Self {
            name: name.to_owned(),
            version,
            status: known.status,
            content_hash: known.content_hash.clone(),
            revision: known.revision,
            position,
        }
    }
}

type Outcome<T> = Result<T, CommandError<PolicyError>>;

/// Whose policies, who asks, and what they have seen.
#[derive(Debug, Clone)]
pub struct PolicyCall {
    /// The tenant of the key.
    pub tenant: TenantId,
    /// Who asks.
    pub metadata: Metadata,
    /// The revision that the version must have.
    pub expected: Option<u64>,
}

impl Policies {
    /// Writes a new version.
    pub async fn draft(&self, call: &PolicyCall, document: &Value) -> Result<Moved, ApplyError> {
        let draft = read(document).map_err(ApplyError::Invalid)?;
        let name = draft.name.clone();
        Ok(self.execute(call, &name, PolicyAction::Draft(draft)).await?)
    }

    /// Writes the text of a draft anew. The document names the version that is revised.
    pub async fn revise(&self, call: &PolicyCall, document: &Value) -> Result<Moved, ApplyError> {
        let draft = read(document).map_err(ApplyError::Invalid)?;
        let name = draft.name.clone();
        Ok(self.execute(call, &name, PolicyAction::Revise(draft)).await?)
    }

    /// Drafts what is new, revises what is a draft, and leaves alone what is so already.
    pub async fn apply(
        &self,
        call: &PolicyCall,
        document: &Value,
    ) -> Result<(Applied, Moved), ApplyError> {
        let draft = read(document).map_err(ApplyError::Invalid)?;
        let name = draft.name.clone();
        let id = AggregateId::policy(call.tenant, &name);
        let state = self.commands.load(&id).await?;
        let known = state.version(&draft.version);
        if let Some(known) = known.filter(|known| known.content_hash == draft.content_hash) {
            return Ok((Applied::Unchanged, Moved::to(&name, draft.version, known, None)));
        }
        let (applied, action) = match known {
            None => (Applied::Drafted, PolicyAction::Draft(draft)),
            Some(_) => (Applied::Revised, PolicyAction::Revise(draft)),
        };
        Ok((applied, self.execute(call, &name, action).await?))
    }

    /// Hands a draft in for review.
    pub async fn submit(
        &self,
        call: &PolicyCall,
        name: &str,
        version: &str,
        backtest_id: Option<Uuid>,
    ) -> Outcome<Moved> {
        let version = version.to_owned();
        self.execute(call, name, PolicyAction::Submit { version, backtest_id }).await
    }

    /// Gives a version in review back to its authors.
    pub async fn reject(
        &self,
        call: &PolicyCall,
        name: &str,
        version: &str,
        reason: String,
    ) -> Outcome<Moved> {
        let version = version.to_owned();
        self.execute(call, name, PolicyAction::Reject { version, reason }).await
    }

    /// Puts a version in force.
    pub async fn activate(
        &self,
        call: &PolicyCall,
        name: &str,
        version: &str,
        supersede: bool,
    ) -> Outcome<Moved> {
        let (version, allow_self_approval) = (version.to_owned(), self.allow_self_approval);
        let action = PolicyAction::Activate { version, supersede, allow_self_approval };
        self.execute(call, name, action).await
    }

    /// Takes a version out of force, for good.
    pub async fn retire(
        &self,
        call: &PolicyCall,
        name: &str,
        version: &str,
        reason: String,
    ) -> Outcome<Moved> {
        let version = version.to_owned();
        self.execute(call, name, PolicyAction::Retire { version, reason }).await
    }

    async fn execute(&self, call: &PolicyCall, name: &str, what: PolicyAction) -> Outcome<Moved> {
        let id = AggregateId::policy(call.tenant, name);
        let version = what.version().to_owned();
        let command = PolicyCommand {
            what,
            by: call.metadata.actor.clone(),
            expected: call.expected,
            at: self.clock.now(),
        };
        for _ in 0..ROUNDS_MAX {
            let named = Named(name.to_owned(), command.clone());
            match self.commands.execute(&id, named, &call.metadata).await {
                Err(CommandError::Conflict) => {}
                Err(error) => return Err(error),
                Ok(committed) => {
                    self.in_force.forget(call.tenant);
                    let known = committed.state.version(&version);
                    let known = known.ok_or(CommandError::Refused(PolicyError::NotFound))?;
                    return Ok(Moved::to(name, version, known, committed.position));
                }
            }
        }
        Err(CommandError::Conflict)
    }
}

/// A document that is valid, on its way into the aggregate.
fn read(document: &Value) -> Result<Draft, Vec<Fault>> {
    let policy = Policy::read(document)?;
    Ok(Draft {
        name: policy.document.name,
        version: policy.document.version,
        content_hash: policy.content_hash,
        has_controls: !policy.document.controls.is_empty(),
        document: document.clone(),
    })
}
