//! Where the park is: a target that was named, or a server process of our own. Refuses other
//! machines unless they are allowed.

use anyhow::{Context as _, bail};
use clap::Args;
use shanmen_devices::turnstile::BrokerAddress;
use shanmen_protocols::ids::ProductId;

use crate::{
    park::Size,
    run::Stage,
    server::{self, Server},
    setup::{self, Target},
};

/// Where the park is.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The broker of a running park, as `mqtt://127.0.0.1:1883`.
    #[arg(long, value_name = "URL", requires = "http")]
    target: Option<String>,
    /// Its API, as `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL", requires = "token")]
    http: Option<String>,
    /// An admin's token there.
    #[arg(long, env = "SHANMEN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The product of the tickets there: one entry, on its visit date.
    #[arg(long, default_value = "adult-day")]
    product: ProductId,
    /// An outside broker for the server process of our own, as `mqtt://user:password@host:1883`:
    /// one that lets the lanes in with their secrets, or lets anybody in.
    #[arg(long, value_name = "URL", conflicts_with = "target")]
    broker: Option<String>,
    /// Let the target be another machine. It gets all of the load and many tickets.
    #[arg(long)]
    allow_remote: bool,
}

impl Place {
    /// Whether the server is a process of our own.
    pub(super) fn is_own(&self) -> bool {
        self.target.is_none()
    }
}

/// The park to run against: the target's, or that of a server process of our own.
pub(super) async fn stage(place: &Place, size: &Size) -> anyhow::Result<Stage> {
    if let (Some(mqtt), Some(http), Some(token)) = (&place.target, &place.http, &place.token) {
        let (host, port) = address(mqtt, "mqtt", place.allow_remote)?;
        let (http_host, http_port) = address(http, "http", place.allow_remote)?;
        let target = Target {
            http: format!("{http_host}:{http_port}"),
            mqtt: BrokerAddress { host, port },
            token: token.clone(),
            own_park: false,
            product: Some(place.product.to_string()),
        };
        return Ok(Stage { target, server: None });
    }
    let program = server::program().context(
        "there is no program `shanmen` beside this one: build it (cargo build --release), \
         or name it with SHANMEN_BIN",
    )?;
    let server = Server::start(&program, size, place.broker.as_deref()).await?;
    let (host, port) = split(&server.addresses.mqtt).context("addresses.json: mqtt")?;
    let target = Target {
        http: server.addresses.http.clone(),
        mqtt: BrokerAddress { host, port },
        token: setup::login(&server.addresses.http, &server.login).await?,
        own_park: true,
        product: None,
    };
    Ok(Stage { target, server: Some(server) })
}

/// Host and port of a URL of this scheme, on this machine unless another is allowed.
fn address(url: &str, scheme: &str, allow_remote: bool) -> anyhow::Result<(String, u16)> {
    let rest = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
    let Some((host, port)) = rest.and_then(|rest| split(rest.trim_end_matches('/'))) else {
        bail!("{url} is not {scheme}://host:port");
    };
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    if !allow_remote && host != "localhost" && !ip.is_ok_and(|ip| ip.is_loopback()) {
        bail!(
            "{host} is another machine: a load test there takes --allow-remote, and its owner's leave"
        );
    }
    Ok((host, port))
}

fn split(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?)).filter(|(host, _)| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_refused_unless_it_is_allowed() {
        assert!(address("mqtt://10.0.0.1:1883", "mqtt", false).is_err());
        assert!(address("mqtt://gate.example:1883", "mqtt", false).is_err());
        let allowed = address("mqtt://10.0.0.1:1883", "mqtt", true).unwrap();
        assert_eq!(allowed, ("10.0.0.1".to_owned(), 1883));
        for own in ["mqtt://127.0.0.1:1", "mqtt://localhost:1/", "mqtt://[::1]:1"] {
            assert!(address(own, "mqtt", false).is_ok(), "{own}");
        }
    }

    #[test]
    fn an_address_of_another_form_is_refused() {
        for bad in ["127.0.0.1:1", "http://127.0.0.1:1", "mqtt://127.0.0.1", "mqtt://:1"] {
            assert!(address(bad, "mqtt", true).is_err(), "{bad}");
        }
    }
}
