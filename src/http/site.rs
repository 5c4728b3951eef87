//! What is set up, open to anyone: the site and the public ticket keys.
//!
//! These texts change only with the configuration, so they are written once at the start.

use axum::{body::Bytes, extract::State, response::Response};
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde_json::{Value, json};
use shanmen_actors::keys::KeyRing;
use shanmen_rules::{ParkDefinition, Text};

use super::{App, json_bytes};

/// The texts.
#[derive(Debug)]
pub(super) struct Texts {
    site: Bytes,
    /// The JWK set, which an enrolled device gets too.
    pub keys: Value,
    keys_text: Bytes,
}

impl Texts {
    /// Writes them; every name has both its languages.
    ///
    /// # Errors
    /// When the definition cannot be written as JSON.
    pub(super) fn of(park: &ParkDefinition, keys: &KeyRing) -> serde_json::Result<Self> {
        let mut park = park.clone();
        let fill = |name: &mut Option<Text>, id: &str| *name = Some(Text::or_id(name.as_ref(), id));
        fill(&mut park.site.name, &park.site.id);
        park.areas.iter_mut().for_each(|area| fill(&mut area.name, &area.id));
        park.gates.iter_mut().for_each(|gate| fill(&mut gate.name, &gate.id));
        park.lanes.iter_mut().for_each(|lane| fill(&mut lane.name, &lane.id));
        let keys = jwk_set(keys);
        Ok(Self {
            site: bytes(&json!({
                "site": park.site, "areas": park.areas, "gates": park.gates, "lanes": park.lanes,
            }))?,
            keys_text: bytes(&keys)?,
            keys,
        })
    }
}

fn bytes(value: &impl Serialize) -> serde_json::Result<Bytes> {
    serde_json::to_vec(value).map(Bytes::from)
}

/// The public keys as a JWK set (RFC 7517, RFC 8037).
fn jwk_set(keys: &KeyRing) -> Value {
    let jwk = |(id, public): (&str, [u8; 32])| {
        json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": id,
            "x": BASE64URL_NOPAD.encode(&public),
        })
    };
    json!({ "keys": keys.public().map(jwk).collect::<Vec<_>>() })
}

/// The site, its areas, gates and lanes.
#[utoipa::path(get, path = "/api/v1/site", tag = "site",
    responses((status = 200, description = "{site, areas, gates, lanes}, as in the configuration", body = Object)))]
pub(super) async fn site(State(app): State<App>) -> Response {
    json_bytes(app.texts.site.clone())
}

/// The public ticket keys as a JWK set.
#[utoipa::path(get, path = "/api/v1/keys", tag = "site",
    responses((status = 200, description = "{keys: [{kty: OKP, crv: Ed25519, kid, x}]}", body = Object)))]
pub(super) async fn keys(State(app): State<App>) -> Response {
    json_bytes(app.texts.keys_text.clone())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    #[test]
    fn a_key_is_told_as_a_jwk() {
        // RFC 8037, appendix A.1 and A.2.
        let secret =
            BASE64URL_NOPAD.decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let secret = SigningKey::from_bytes(&secret.try_into().unwrap());
        let set = jwk_set(&KeyRing::new("k1".into(), secret, [], [0; 32]));
        assert_eq!(set["keys"][0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(set["keys"][0]["kid"], "k1");
        assert_eq!(set["keys"][0]["kty"], "OKP");
    }
}
