//! A policy document as a body, in JSON or in YAML.

use axum::extract::{FromRequest, Request};
use serde_json::Value;

use super::problem::invalid;
use crate::extract::{body_problem, content_type_problem, media_type, read_body};
use crate::policy_text::{self, Form};
use crate::problem::Problem;
use crate::state::App;

/// Read without loss; whether it is a policy is another question.
pub struct DocumentBody(pub Value);

impl FromRequest<App> for DocumentBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let limit = app.limits.body_bytes_max;
        let bytes = read_body(body, limit).await.map_err(|fault| body_problem(fault, limit))?;
        let form = media_type(&parts.headers).as_deref().and_then(Form::of_media_type);
        let form = form.ok_or_else(|| content_type_problem(&parts.headers))?;
        policy_text::read(&bytes, form).map(Self).map_err(|faults| invalid(&faults))
    }
}
