//! Versions of policies, and the texts behind their hashes; written with the events themselves.

use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::TenantReads;

const COLUMNS: &str = "name, version, status, content_hash, author, approver, reason, backtest_id,
    drafted_at, changed_at, activated_at, retired_at, revision, position";

/// Where a version stands.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct PolicyVersion {
    pub name: String,
    pub version: String,
    /// `DRAFT`, `REVIEW`, `ACTIVE` or `RETIRED`.
    pub status: String,
    /// `sha256:` over the document's canonical form.
    pub content_hash: String,
    /// Who drafted it or revised it last.
    pub author: String,
    pub approver: Option<String>,
    /// Of the last rejection, or of the retirement.
    pub reason: Option<String>,
    /// A backtest that was attached when it was submitted.
    pub backtest_id: Option<Uuid>,
    pub drafted_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub activated_at: Option<DateTime<Utc>>,
    pub retired_at: Option<DateTime<Utc>>,
    /// Events that concern this version: what its `ETag` names.
    #[schema(value_type = u64)]
    pub revision: i64,
    /// Of the last of them in the tenant's log.
    #[schema(value_type = u64)]
    pub position: i64,
}

/// What a list of versions is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct PolicyFilter {
    pub name: Option<String>,
    pub status: Option<String>,
}

/// The place of a version in lists: by name, then the latest draft first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyMark {
    pub name: String,
    pub drafted_at: DateTime<Utc>,
    pub version: String,
}

impl PolicyVersion {
    pub fn mark(&self) -> PolicyMark {
        PolicyMark {
            name: self.name.clone(),
            drafted_at: self.drafted_at,
            version: self.version.clone(),
        }
    }
}

impl TenantReads {
    /// Versions after the mark.
    pub async fn policy_versions(
        &self,
        tenant: TenantId,
        filter: &PolicyFilter,
        after: Option<&PolicyMark>,
        limit: i64,
    ) -> sqlx::Result<Vec<PolicyVersion>> {
        let mut transaction = self.begin(tenant).await?;
        let query = format!(
            "select {COLUMNS} from policy_versions
             where tenant_id = $1
               and ($2::text is null or name = $2)
               and ($3::text is null or status = $3)
               and ($4::text is null or name > $4
                    or name = $4 and (drafted_at, version) < ($5, $6))
             order by name, drafted_at desc, version desc limit $7"
        );
        let rows = sqlx::query_as(&query)
            .bind(tenant.0)
            .bind(&filter.name)
            .bind(&filter.status)
            .bind(after.map(|mark| &mark.name))
            .bind(after.map(|mark| mark.drafted_at))
            .bind(after.map(|mark| &mark.version))
            .bind(limit)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// One version.
    pub async fn policy_version(
        &self,
        tenant: TenantId,
        name: &str,
        version: &str,
    ) -> sqlx::Result<Option<PolicyVersion>> {
        let mut transaction = self.begin(tenant).await?;
        let query = format!(
            "select {COLUMNS} from policy_versions
             where tenant_id = $1 and name = $2 and version = $3"
        );
        let row = sqlx::query_as(&query)
            .bind(tenant.0)
            .bind(name)
            .bind(version)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// The text behind a hash, whatever has become of the versions that had it.
    pub async fn policy_document(
        &self,
        tenant: TenantId,
        content_hash: &str,
    ) -> sqlx::Result<Option<Value>> {
        let mut transaction = self.begin(tenant).await?;
        let document: Option<Json<Value>> = sqlx::query_scalar(
            "select document from policy_documents where tenant_id = $1 and content_hash = $2",
        )
        .bind(tenant.0)
        .bind(content_hash)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(document.map(|document| document.0))
    }
}
