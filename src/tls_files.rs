//! The certificates that the configuration names, read and made ready before a port is opened.
//!
//! Owns the reading, and the faults that name the file. Refuses a key that others than its owner
//! may read. Called by the composition root, and by `config check`.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use shanmen_actors::{
    api::BrokerChoice,
    certificates::{self, Authority, SOON_MS},
    security::{self, Pair, Profile, Security},
};
use shanmen_protocols::time::UnixMs;
use tokio_rustls::TlsAcceptor;

use crate::{
    config::{Config, PairFiles},
    folder,
};

/// How devices speak to the broker, with all that it needs.
///
/// # Errors
/// When a file cannot be read, or does not hold what it should.
pub fn security(config: &Config) -> anyhow::Result<Security> {
    let named = &config.security;
    let mut found = Security { profile: named.profile, ..Security::default() };
    let ca = named.ca.as_deref().map(text).transpose()?;
    if let Some(outside) = &config.outside_tls {
        let trusted = text(&outside.ca)?;
        let own = outside.own.as_ref().map(read).transpose()?;
        let own = own.as_ref().map(|(certificate, key)| Pair { certificate, key });
        let tls = security::client(&trusted, own)
            .with_context(|| format!("[broker] cannot speak TLS with {}", outside.ca.display()))?;
        found.outside = Some(tls);
        found.ca = Some(trusted.into());
    } else if let (Profile::Tls | Profile::Mtls, Some(cert), Some(key)) =
        (named.profile, &named.cert, &named.key)
    {
        let files = PairFiles { cert: cert.clone(), key: key.clone() };
        let (certificate, key) = read(&files)?;
        let devices = ca.as_deref().filter(|_| named.profile == Profile::Mtls);
        let pair = Pair { certificate: &certificate, key: &key };
        let tls = security::server(pair, devices)
            .with_context(|| format!("[security] cannot speak TLS with {}", cert.display()))?;
        found.broker = Some(tls);
        found.ca = ca.clone().map(Into::into);
    }
    if let (Some(ca), Some(path)) = (&ca, &named.ca_key) {
        let authority = Authority::load(ca, &secret(path)?)
            .with_context(|| format!("[security] ca_key: {}", path.display()))?;
        found.authority = Some(Arc::new(authority));
    }
    Ok(found)
}

/// What the pages and the API are served with; none: in clear text.
///
/// # Errors
/// When a file cannot be read, or does not hold what it should.
pub fn http(config: &Config) -> anyhow::Result<Option<TlsAcceptor>> {
    let Some(files) = &config.http_tls else { return Ok(None) };
    let (certificate, key) = read(files)?;
    let tls = security::server(Pair { certificate: &certificate, key: &key }, None)
        .with_context(|| format!("cannot serve HTTPS with {}", files.cert.display()))?;
    Ok(Some(tls.into()))
}

/// Tells when the program's own certificates run out: as a metric, and in the log from 30 days
/// before. They are read at the start: a renewed one needs a restart.
///
/// # Errors
/// When a file cannot be read.
pub fn tell_ends(config: &Config, now: UnixMs) -> anyhow::Result<()> {
    let outside = config.outside_tls.as_ref().and_then(|files| files.own.as_ref());
    let broker = match &config.broker {
        BrokerChoice::Embedded(_) => config.security.cert.as_ref(),
        BrokerChoice::Outside(_) => outside.map(|own| &own.cert),
    };
    let pages = config.http_tls.as_ref().map(|files| &files.cert);
    let named = [("broker", broker), ("pages", pages), ("authority", config.security.ca.as_ref())];
    for (of, path) in named {
        let Some(path) = path else { continue };
        let Some(end) = certificates::runs_out(&text(path)?) else { continue };
        metrics::gauge!("shanmen_certificate_ends_seconds", "of" => of).set(seconds(end));
        if end.0.saturating_sub(now.0) < SOON_MS {
            let days = end.0.saturating_sub(now.0) / 86_400_000;
            tracing::warn!(of, days, file = %path.display(), "a certificate runs out");
        }
    }
    Ok(())
}

/// Since 1970; what is behind the year 2106 is never.
fn seconds(moment: UnixMs) -> f64 {
    u32::try_from(moment.0 / 1000).map_or(f64::MAX, f64::from)
}

fn read(files: &PairFiles) -> anyhow::Result<(String, String)> {
    Ok((text(&files.cert)?, secret(&files.key)?))
}

fn text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn secret(path: &Path) -> anyhow::Result<String> {
    let Some(bytes) = folder::read_private(path)? else {
        bail!("cannot read {}: it is not there", path.display());
    };
    String::from_utf8(bytes).ok().with_context(|| format!("{} is not PEM", path.display()))
}
