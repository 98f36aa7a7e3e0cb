//! `POST /v1/sessions`: starts a session.

use application::{CommandError, Ids};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::evidence::record::{ChainAuthority, format_micros};
use domain::ids::SessionId;
use domain::session::{IngestMode, SessionError, Start};
use infrastructure::system::SystemIds;
use projections::sessions::SessionRow;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::judged::Judged;
use super::view::SessionView;
use crate::auth::Caller;
use crate::extract::JsonBody;
use crate::problem::Problem;
use crate::routes::json;
use crate::state::App;

/// What a session is started with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    /// Made when absent. A repeat with the same body answers 200.
    #[schema(value_type = Option<Uuid>)]
    session_id: Option<SessionIdText>,
    #[schema(min_length = 1, max_length = 256)]
    agent_id: String,
    environment: Option<Environment>,
    #[schema(max_length = 256)]
    framework: Option<String>,
    #[serde(default = "server")]
    chain_authority: Authority,
    #[serde(default = "strict")]
    mode: Mode,
    #[serde(default)]
    #[schema(max_items = 32)]
    tags: Vec<String>,
    /// At most 16 KiB.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// Hyphenated and lower case, as everywhere.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct SessionIdText(SessionId);

impl TryFrom<String> for SessionIdText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        SessionId::parse(&text).map(Self).ok_or("session_id is not a hyphenated lower-case UUID")
    }
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Environment {
    Prod,
    Staging,
    Dev,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Authority {
    Server,
    Sdk,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Strict,
    Permissive,
}

fn server() -> Authority {
    Authority::Server
}

fn strict() -> Mode {
    Mode::Strict
}

/// A session that was started.
#[expect(clippy::struct_field_names, reason = "the contract's names")]
#[derive(Debug, Serialize, ToSchema)]
pub struct Started {
    session_id: Uuid,
    status: &'static str,
    chain_authority: &'static str,
    mode: String,
    agent_id: String,
    ingestion_service_id: String,
    started_at: String,
    next_sequence: u64,
    position: u64,
}

const AGENT_CHARS_MAX: usize = 256;
const TAGS_MAX: usize = 32;
const TAG_CHARS_MAX: usize = 64;
const METADATA_BYTES_MAX: usize = 16 * 1024;

/// Start a session.
#[utoipa::path(post, path = "/v1/sessions", operation_id = "startSession", tag = "sessions",
    request_body = StartRequest,
    responses(
        (status = 201, description = "The session was started.", body = Started),
        (status = 200, description = "The same start had come before.", body = Started),
        (status = 409, description = "`SESSION_EXISTS`: the id was started with other values."),
    ))]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    JsonBody(request): JsonBody<StartRequest>,
) -> Result<Response, Problem> {
    let start = request.into_start(&app, &caller)?;
    match app.sessions.start(start.clone(), &caller.metadata()).await {
        Ok(position) => {
            let answer = Started::now(&start, position.unwrap_or_default());
            Ok((StatusCode::CREATED, json(answer)).into_response())
        }
        Err(CommandError::Conflict | CommandError::Refused(SessionError::Exists)) => {
            let row = app.reads.session(caller.tenant, start.session_id).await?;
            let row = row.filter(|row| is_repeat(&start, row)).ok_or(SessionError::Exists)?;
            let idle_max = app.sessions.settings.idle_max;
            Ok(json(Started::before(SessionView::of(
                row,
                Judged::nothing(false),
                start.at,
                idle_max,
            ))))
        }
        Err(error) => Err(error.into()),
    }
}

impl StartRequest {
    fn into_start(self, app: &App, caller: &Caller) -> Result<Start, Problem> {
        let text = |name: &str, value: &str, max: usize| {
            if value.chars().count() > max {
                return Err(Problem::request(format!("{name} exceeds {max} characters")));
            }
            Ok(())
        };
        if self.agent_id.is_empty() {
            return Err(Problem::request("agent_id is empty"));
        }
        text("agent_id", &self.agent_id, AGENT_CHARS_MAX)?;
        text("framework", self.framework.as_deref().unwrap_or_default(), AGENT_CHARS_MAX)?;
        if self.tags.len() > TAGS_MAX {
            return Err(Problem::request(format!("there are more than {TAGS_MAX} tags")));
        }
        self.tags.iter().try_for_each(|tag| text("a tag", tag, TAG_CHARS_MAX))?;
        let metadata = serde_json::to_string(&self.metadata).map_err(Problem::internal)?;
        if metadata.len() > METADATA_BYTES_MAX {
            return Err(Problem::request(format!("metadata exceeds {METADATA_BYTES_MAX} bytes")));
        }
        Ok(Start {
            tenant_id: caller.tenant,
            session_id: self.session_id.map_or_else(|| SessionId(SystemIds.uuid()), |id| id.0),
            agent_id: self.agent_id,
            environment: self.environment.map(|e| e.as_str().to_owned()),
            framework: self.framework,
            chain_authority: match self.chain_authority {
                Authority::Server => ChainAuthority::Server,
                Authority::Sdk => ChainAuthority::Sdk,
            },
            mode: match self.mode {
                Mode::Strict => IngestMode::Strict,
                Mode::Permissive => IngestMode::Permissive,
            },
            tags: self.tags,
            metadata: self.metadata,
            ingestion_service_id: app.sessions.settings.ingestion_service_id.clone(),
            at: app.clock.now(),
        })
    }
}

impl Environment {
    fn as_str(self) -> &'static str {
        match self {
            Self::Prod => "prod",
            Self::Staging => "staging",
            Self::Dev => "dev",
        }
    }
}

fn is_repeat(start: &Start, row: &SessionRow) -> bool {
    row.agent_id == start.agent_id
        && row.environment == start.environment
        && row.framework == start.framework
        && row.authority == start.chain_authority
        && row.mode == start.mode.as_str()
        && row.tags == start.tags
        && row.metadata == start.metadata
}

impl Started {
    fn now(start: &Start, position: u64) -> Self {
        Self {
            session_id: start.session_id.0,
            status: "active",
            chain_authority: start.chain_authority.as_str(),
            mode: start.mode.as_str().to_owned(),
            agent_id: start.agent_id.clone(),
            ingestion_service_id: start.ingestion_service_id.clone(),
            started_at: format_micros(start.at),
            next_sequence: 0,
            position,
        }
    }

    /// As the session stands by now.
    fn before(session: SessionView) -> Self {
        Self {
            session_id: session.session_id,
            status: session.status,
            chain_authority: session.chain_authority,
            mode: session.mode,
            agent_id: session.agent_id,
            ingestion_service_id: session.ingestion_service_id,
            started_at: session.started_at,
            next_sequence: session.next_sequence,
            position: session.position.unwrap_or_default(),
        }
    }
}
