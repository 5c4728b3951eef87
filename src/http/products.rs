//! Products: what is sold, and how it is changed. Their rules are the control plane's.

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shanmen_actors::api::{self, ProductChange, ProductChanged};
use shanmen_rules::{Text, definition::ProductDefinition};
use utoipa::ToSchema;

use super::{
    App,
    body::{Body, mask},
    json,
    problem::Problem,
    roles::{ChangeProducts, May, SeeTickets},
    tickets::REASON_MAX_CHARS,
    times::Times,
};

/// What is sold.
#[derive(Serialize, ToSchema)]
pub(super) struct Products {
    /// By the order in which they were first seen; those no longer sold have `on_sale: false`.
    products: Vec<Product>,
}

/// A product: its definition, as in the configuration, and its version.
#[derive(Serialize, ToSchema)]
pub(super) struct Product {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    definition: Value,
    /// The latest version, from 1 on.
    version: u32,
    /// Whether tickets of it are sold.
    on_sale: bool,
}

/// All versions of a product.
#[derive(Serialize, ToSchema)]
pub(super) struct Versions {
    /// The newest first.
    versions: Vec<Version>,
}

/// One version.
#[derive(Serialize, ToSchema)]
pub(super) struct Version {
    /// From 1 on.
    #[serde(rename = "version")]
    number: u32,
    /// When it was made (RFC 3339); null for one from before versions were kept.
    at: Option<String>,
    /// Who made it; `config` for the configuration file.
    by: String,
    /// Why.
    reason: String,
    /// Whether it is also for the tickets sold before.
    applies_to_sold: bool,
    /// What it said.
    #[schema(value_type = Object)]
    definition: ProductDefinition,
}

/// Why it is changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    #[serde(default)]
    reason: String,
}

impl Product {
    /// Its current form; every name has both its languages.
    fn of(view: api::ProductView) -> Result<Self, Problem> {
        let api::ProductView { mut definition, version, on_sale } = view;
        definition.name = Some(Text::or_id(definition.name.as_ref(), &definition.id));
        let mut definition = serde_json::to_value(definition).map_err(Problem::internal)?;
        if let Some(map) = definition.as_object_mut() {
            map.remove("on_sale");
        }
        Ok(Self { definition, version, on_sale })
    }

    /// With its version as an `ETag`, for `If-Match`.
    fn answer(self, status: StatusCode) -> Result<Response, Problem> {
        let tag =
            HeaderValue::from_str(&format!("\"{}\"", self.version)).map_err(Problem::internal)?;
        Ok((status, [(header::ETAG, tag)], json(&self)?).into_response())
    }
}

impl Version {
    fn of(view: api::VersionView, times: &Times) -> Self {
        Self {
            number: view.version,
            at: (view.at.0 > 0).then(|| times.text(view.at)),
            by: view.actor,
            reason: view.reason,
            applies_to_sold: view.applies_to_sold,
            definition: view.definition,
        }
    }
}

/// What is sold.
#[utoipa::path(get, path = "/api/v1/products", tag = "products",
    responses((status = 200, description = "the products", body = Products)))]
pub(super) async fn list(State(app): State<App>) -> Result<Response, Problem> {
    let products = app.plane.products().await;
    json(&Products { products: products.into_iter().map(Product::of).collect::<Result<_, _>>()? })
}

/// One product.
#[utoipa::path(get, path = "/api/v1/products/{id}", tag = "products",
    params(("id" = String, Path, description = "the product's id")),
    responses((status = 200, description = "the product; its version is the ETag", body = Product)))]
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Product::of(app.plane.product(&id).await?)?.answer(StatusCode::OK)
}

/// All versions of a product: who changed it, when and why.
#[utoipa::path(get, path = "/api/v1/products/{id}/versions", tag = "products",
    params(("id" = String, Path, description = "the product's id")),
    responses((status = 200, description = "the versions", body = Versions)))]
pub(super) async fn versions(
    State(app): State<App>,
    _: May<SeeTickets>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let versions = app.plane.product_versions(&id).await?;
    let versions = versions.into_iter().map(|one| Version::of(one, &app.times)).collect();
    json(&Versions { versions })
}

/// Adds or changes a product, at once at all gates.
///
/// The body is the whole definition, as under `[[products]]` of the configuration. Tickets sold
/// before keep the terms of their version, unless it says `"applies_to_sold": true`;
/// `"on_sale": false` ends the sale, and what was sold stays good. The version that was read, as
/// `If-Match` or as the body's own `version`, guards against a change made in between.
#[utoipa::path(put, path = "/api/v1/products/{id}", tag = "products",
    request_body(content = Object, description = "the definition"),
    params(("id" = String, Path, description = "the product's id"),
           ("reason" = Option<String>, Query, description = "why, for the audit trail; no name and no ID number"),
           ("If-Match" = Option<String>, Header, description = "the version that was read, as \"3\"")),
    responses((status = 200, description = "changed, or said so already", body = Product),
              (status = 201, description = "added", body = Product)))]
pub(super) async fn put(
    State(app): State<App>,
    caller: May<ChangeProducts>,
    Path(id): Path<String>,
    why: Result<Query<Why>, QueryRejection>,
    headers: HeaderMap,
    Body(body): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    let Query(Why { reason }) =
        why.map_err(|_| Problem::malformed("only ?reason= can be asked"))?;
    if reason.chars().count() > REASON_MAX_CHARS {
        return Err(Problem::invalid(format!("reason: at most {REASON_MAX_CHARS} characters")));
    }
    let (definition, told) = read(body, &id)?;
    let seen = if_match(&headers)?.or(told);
    let change = ProductChange { definition, reason, seen };
    let (view, changed) = app.plane.put_product(change, &caller.user).await?;
    let status = match changed {
        ProductChanged::Added => StatusCode::CREATED,
        ProductChanged::Changed | ProductChanged::Unchanged => StatusCode::OK,
    };
    Product::of(view)?.answer(status)
}

/// The definition, and the version that the body says it was read at.
fn read(
    mut body: Map<String, Value>,
    id: &str,
) -> Result<(ProductDefinition, Option<u32>), Problem> {
    let seen = match body.remove("version") {
        None | Some(Value::Null) => None,
        Some(version) => Some(
            version
                .as_u64()
                .and_then(|version| u32::try_from(version).ok())
                .ok_or_else(|| Problem::invalid("version: the number that was read, or none"))?,
        ),
    };
    let named = body.entry("id").or_insert_with(|| Value::String(id.to_owned()));
    if named.as_str() != Some(id) {
        return Err(Problem::invalid("id: not the one of the path; a product keeps its id"));
    }
    let definition = serde_path_to_error::deserialize(Value::Object(body)).map_err(|fault| {
        let (path, words) = (fault.path().to_string(), mask(&fault.inner().to_string()));
        Problem::invalid(if path == "." { words } else { format!("{path}: {words}") })
    })?;
    Ok((definition, seen))
}

fn if_match(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix("W/").unwrap_or(text).trim_matches('"').parse();
    version.map(Some).map_err(|_| Problem::malformed("If-Match: the version in quotes, as \"3\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_was_read_can_be_written_back() {
        let (definition, seen) =
            read(body(r#"{"id":"a","version":3,"on_sale":true,"entitlements":[]}"#), "a").unwrap();
        assert_eq!((definition.id.as_str(), seen), ("a", Some(3)));
        assert_eq!(read(body("{}"), "a").unwrap().0.id, "a");
    }

    #[test]
    fn a_fault_has_its_place() {
        let told = |text: &str| read(body(text), "a").unwrap_err().detail().to_owned();
        assert!(told(r#"{"entitlements":[{"areas":7}]}"#).starts_with("entitlements[0].areas: "));
        assert!(told(r#"{"prize":1}"#).contains("unknown field `prize`"));
        assert!(told(r#"{"id":"b"}"#).starts_with("id: "));
        assert!(told(r#"{"version":"x"}"#).starts_with("version: "));
    }

    #[test]
    fn the_version_comes_in_quotes() {
        let seen = |text: &'static str| {
            let headers = [(header::IF_MATCH, HeaderValue::from_static(text))];
            if_match(&headers.into_iter().collect()).map_err(|_| ())
        };
        assert_eq!(seen("\"3\""), Ok(Some(3)));
        assert_eq!(seen("W/\"3\""), Ok(Some(3)));
        assert_eq!(seen("*"), Ok(None));
        assert_eq!(seen("three"), Err(()));
    }
}
