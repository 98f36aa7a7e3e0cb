//! The OpenAPI document: its frame, and what all operations share.

use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Response, ResponseBuilder,
};

use crate::problem::ProblemBody;

/// Title, licence, ways to show a key.
pub fn frame() -> OpenApi {
    let mut components = Components::new();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("exh_…").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let header = ApiKey::Header(ApiKeyValue::new("x-api-key"));
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(header));
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Exhibit")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some("Evidence that proves itself."))
                .license(Some(
                    LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
                ))
                .build(),
        )
        .components(Some(components))
        .build()
}

/// Refusals that any operation may give, and the media type of all of them.
const ANY: [(&str, &str); 3] = [
    ("400", "`REQUEST_INVALID`, `QUERY_INVALID`, `CURSOR_INVALID`, `JSON_INVALID`, `INGEST_*`"),
    ("405", "`METHOD_NOT_ALLOWED`"),
    ("500", "`INTERNAL_ERROR`, `INGEST_INTERNAL_ERROR`: the correlation id finds the cause"),
];
const GUARDED: [(&str, &str); 2] = [
    ("401", "`UNAUTHENTICATED`: no key, or none that is valid"),
    ("403", "`SCOPE_MISSING`, `TENANT_SUSPENDED`"),
];
const WITH_BODY: [(&str, &str); 4] = [
    ("408", "`BODY_TIMEOUT`"),
    ("409", "`CONFLICT`"),
    ("413", "`BODY_TOO_LARGE`"),
    ("415", "`CONTENT_TYPE_INVALID`, `INGEST_CONTENT_TYPE_INVALID`"),
];

/// Adds what the shared layers answer to every operation, and the problem body to every refusal.
pub fn complete(mut document: OpenApi) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            let mut add = |shared: &[(&str, &str)]| {
                for (status, description) in shared {
                    responses
                        .entry((*status).to_owned())
                        .or_insert_with(|| RefOr::T(refusal(description)));
                }
            };
            add(&ANY);
            if operation.security.is_some() {
                add(&GUARDED);
            }
            if operation.request_body.is_some() {
                add(&WITH_BODY);
            }
            for (status, response) in responses.iter_mut() {
                if let RefOr::T(response) = response
                    && status.as_str() >= "400"
                    && response.content.is_empty()
                {
                    *response = refusal(&response.description);
                }
            }
        }
    }
    document
}

fn refusal(description: &str) -> Response {
    let problem = Ref::from_schema_name(ProblemBody::name());
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let mut response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build();
    response.extensions = None::<Extensions>;
    response
}
