//! The API's own document (`OpenAPI` 3.1): what the handlers say of themselves, and what holds for all of them.

use utoipa::{
    OpenApi, ToSchema as _,
    openapi::{
        Content, OpenApi as Document, Response,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use super::problem::ProblemBody;

/// What needs no login.
const OPEN: [&str; 9] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/enrol",
    "/api/v1/site",
    "/api/v1/products",
    "/api/v1/products/{id}",
    "/api/v1/keys",
    "/api/v1/login",
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shanmen 山门",
        description = "The gate control plane for scenic areas. Errors are problem details \
                       (RFC 9457), times are RFC 3339."
    ),
    components(schemas(ProblemBody))
)]
struct Base;

/// The document without its paths.
pub(super) fn document() -> Document {
    Base::openapi()
}

/// Adds to every path what holds for all: a refusal's form, and the login where one is needed.
pub(super) fn finish(document: &mut Document) {
    let components = document.components.get_or_insert_default();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("token", scheme);
    let device = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
    components.add_security_scheme("device", device);
    for (path, item) in &mut document.paths.paths {
        let open = OPEN.contains(&path.as_str());
        let operations = [
            (&mut item.get, false),
            (&mut item.post, false),
            (&mut item.put, true),
            (&mut item.delete, true),
        ];
        for (operation, changes) in operations {
            let Some(operation) = operation else { continue };
            refuse(operation);
            // Everybody may read what is sold; who changes it logs in.
            if operation.security.is_none() && (!open || changes) {
                let token = SecurityRequirement::new("token", Vec::<String>::new());
                operation.security.get_or_insert_default().push(token);
            }
        }
    }
}

fn refuse(operation: &mut Operation) {
    let mut response = Response::new("refused, as problem details");
    let schema = utoipa::openapi::Ref::from_schema_name(ProblemBody::name());
    response
        .content
        .insert("application/problem+json".to_owned(), Content::new(Some(schema)).into());
    operation.responses.responses.insert("default".to_owned(), response.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_tells_how_it_refuses_and_who_may() {
        let (_, mut document) = super::super::routes().split_for_parts();
        finish(&mut document);
        let text = serde_json::to_value(&document).unwrap();
        let paths = text["paths"].as_object().unwrap();
        for path in OPEN {
            assert!(paths.contains_key(path), "{path} is gone");
        }
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["responses"]["default"].is_object(), "{method} {path}");
                let open = operation["security"].is_null();
                assert_eq!(
                    open,
                    OPEN.contains(&path.as_str()) && method != "put",
                    "{method} {path}"
                );
            }
        }
        assert!(text["components"]["schemas"]["Problem"].is_object(), "{text}");
    }
}
