//! `If-Match`: a command that is carried out only on the version that its sender has seen.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use domain::log::parse_position;

use crate::problem::Problem;
use crate::state::App;

/// The version that a resource must have. None when no version is named, or `*`, which is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<u64>);

impl FromRequestParts<App> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        read(&parts.headers).ok_or_else(|| {
            Problem::request("If-Match is one ETag as this server gives it out, \"<number>\", or *")
        })
    }
}

/// None when what stands there is no tag of ours.
fn read(headers: &HeaderMap) -> Option<IfMatch> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Some(IfMatch(None)) };
    if values.next().is_some() {
        return None;
    }
    let tag = value.to_str().ok()?.trim();
    if tag == "*" {
        return Some(IfMatch(None));
    }
    let version = tag.strip_prefix('"')?.strip_suffix('"')?;
    parse_position(version).map(|version| IfMatch(Some(version)))
}

/// The refusal of a command on a version that its sender has not seen.
pub fn precondition_failed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED", detail)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Option<IfMatch> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, HeaderValue::from_static(value));
        }
        read(&headers)
    }

    #[test]
    fn a_tag_names_a_version_and_its_absence_none() {
        assert_eq!(of(&[]), Some(IfMatch(None)));
        assert_eq!(of(&["*"]), Some(IfMatch(None)));
        assert_eq!(of(&["\"7\""]), Some(IfMatch(Some(7))));
        assert_eq!(of(&[" \"0\" "]), Some(IfMatch(Some(0))));
    }

    #[test]
    fn what_is_no_tag_of_ours_is_refused() {
        for text in
            ["7", "\"7", "7\"", "\"seven\"", "\"07\"", "W/\"7\"", "\"7\", \"8\"", "", "\"\""]
        {
            assert_eq!(of(&[text]), None, "{text}");
        }
        assert_eq!(of(&["\"7\"", "\"8\""]), None);
    }
}
