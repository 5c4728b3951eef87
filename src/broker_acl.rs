//! Access lists for outside brokers: each device its own topics and no other, the program the rest.
//!
//! Owns the form of mosquitto's and EMQX's lists; what a device may do is the contract's. It refuses
//! a login that cannot stand in them as it is. The program itself never talks to a broker's
//! administration: devices' logins are put there by whoever runs it. Called by the command line.

use anyhow::bail;
use clap::ValueEnum;
use shanmen_actors::api::BrokerChoice;
use shanmen_protocols::{ids::SiteId, topic};

use crate::config::Config;

/// The program's own login, where the configuration names none.
const USER: &str = "shanmen";

/// A kind of broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Eclipse Mosquitto 2: `acl_file`.
    Mosquitto,
    /// EMQX 5: `acl.conf`.
    Emqx,
}

/// Writes a broker's list for the site of `config`; `user` is the program's own login there.
///
/// # Errors
/// When the login has other characters than letters, digits and `-_.`.
pub fn write(kind: Kind, config: &Config, user: Option<&str>) -> anyhow::Result<String> {
    let named = match &config.broker {
        BrokerChoice::Outside(broker) => broker.username.as_deref(),
        BrokerChoice::Embedded(_) => None,
    };
    let user = user.or(named).unwrap_or(USER);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if user.is_empty() || !user.chars().all(plain) {
        bail!("the program's login has other characters than letters, digits and -_.; see --user");
    }
    let site = SiteId::new(&config.park.site.id)?;
    Ok(match kind {
        Kind::Mosquitto => mosquitto(&site, user),
        Kind::Emqx => emqx(&site, user),
    })
}

fn mosquitto(site: &SiteId, user: &str) -> String {
    let [publish, own, all] = topic::access(site, "%u");
    let (up, down) = (topic::uplinks_of_site(site), topic::downlinks_of_site(site));
    format!(
        "# Mosquitto's access list for the site {site}. In mosquitto.conf:
#   listener 8883
#   cafile ca.pem
#   certfile server.pem
#   keyfile server.key
#   set_tcp_nodelay true
#   allow_anonymous false
#   acl_file THIS FILE
# Where devices have a secret, one login each, its name the device's id:
#   password_file FILE    # mosquitto_passwd -b FILE DEVICE SECRET, with the secret of its enrolment
# Where devices have a certificate (profile \"mtls\"):
#   require_certificate true
#   use_identity_as_username true

user {user}
topic read {up}
topic write {down}

pattern write {publish}
pattern read {own}
pattern read {all}
"
    )
}

fn emqx(site: &SiteId, user: &str) -> String {
    let [publish, own, all] = topic::access(site, "${username}");
    let (up, down) = (topic::uplinks_of_site(site), topic::downlinks_of_site(site));
    // A login with a wildcard in it would stand for every device.
    let device = r#"{username, {re, "^[a-z0-9-]{1,32}$"}}"#;
    format!(
        r#"%% EMQX's acl.conf for the site {site}. Besides, in emqx.conf: authorization.no_match = deny
%% One login for each device, its name the device's id: with the secret of its enrolment in EMQX's
%% own database, or, where devices have a certificate (profile "mtls"),
%% mqtt.peer_cert_as_username = cn
{{allow, {{username, "{user}"}}, subscribe, ["{up}"]}}.
{{allow, {{username, "{user}"}}, publish, ["{down}"]}}.
{{allow, {device}, publish, ["{publish}"]}}.
{{allow, {device}, subscribe, ["{own}", "{all}"]}}.
{{deny, all}}.
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_lists_name_the_site_and_the_login_and_end_with_a_refusal() {
        let url = "[broker]\nurl = \"mqtt://plane:secret@127.0.0.1\"\n";
        let config = config::parse("f", url, &[]).unwrap();
        let site = config.park.site.id.clone();
        let list = write(Kind::Mosquitto, &config, None).unwrap();
        assert!(list.contains("\nuser plane\n") && !list.contains("secret@"), "{list}");
        assert!(list.contains(&format!("\npattern write sm/1/{site}/%u/up/#\n")), "{list}");
        let list = write(Kind::Emqx, &config, Some("other")).unwrap();
        assert!(list.contains("{username, \"other\"}") && !list.contains("plane"), "{list}");
        assert!(list.contains(&format!("\"sm/1/{site}/${{username}}/up/#\"")), "{list}");
        assert!(list.ends_with("{deny, all}.\n"), "{list}");
    }

    #[test]
    fn a_login_that_would_change_the_list_is_refused() {
        let config = config::parse("f", "", &[]).unwrap();
        for bad in ["", "a b", "a\ntopic readwrite #", "a\"}, all", "+"] {
            assert!(write(Kind::Mosquitto, &config, Some(bad)).is_err(), "{bad}");
        }
    }
}
