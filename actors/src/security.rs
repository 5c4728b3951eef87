//! How devices speak to the program: in clear text, over TLS, or over TLS with a certificate each.
//!
//! Owns the profile and what it needs in memory: the program's certificate, the authority that
//! devices trust, and the one that signs theirs. It refuses what cannot be used before a port is
//! opened. The composition root reads the files and makes it; the broker, the enrolment and the
//! HTTP listener use it.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
};
use serde::Deserialize;

use crate::certificates::Authority;

/// How devices are let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Clear text: on this machine's loopback, or on a closed network by a word of the
    /// configuration.
    #[default]
    Lab,
    /// TLS, and a secret for each device.
    Tls,
    /// TLS, and a certificate for each device, whose common name is its id.
    Mtls,
}

/// What the profile needs. The default is the lab.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// The profile.
    pub profile: Profile,
    /// The broker's side of TLS; there but in the lab.
    pub broker: Option<Arc<ServerConfig>>,
    /// The program's side of TLS at an outside broker; none: in clear text.
    pub outside: Option<Arc<ClientConfig>>,
    /// The authority of the broker's certificate in PEM, for devices to trust.
    pub ca: Option<Arc<str>>,
    /// Who signs devices' certificates at their enrolment; none: somebody else does.
    pub authority: Option<Arc<Authority>>,
}

impl Security {
    /// How a device's address of the broker begins: `mqtts` or `mqtt`.
    pub fn scheme(&self) -> &'static str {
        if self.broker.is_some() || self.outside.is_some() { "mqtts" } else { "mqtt" }
    }
}

/// A certificate chain and its key, both in PEM, as read from their files.
#[derive(Clone, Copy)]
pub struct Pair<'p> {
    /// The certificate, and what leads from it to an authority.
    pub certificate: &'p str,
    /// Its key (PKCS#8, SEC 1 or PKCS#1).
    pub key: &'p str,
}

/// Why TLS cannot be spoken with what was given.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// No certificate where one should be.
    #[error("there is no certificate in PEM in it")]
    NoCertificate,
    /// No key where one should be.
    #[error("there is no private key in PEM in it")]
    NoKey,
    /// The key is another certificate's, or of a kind that is not known.
    #[error("certificate and key cannot be used: {0}")]
    Unfit(#[from] rustls::Error),
    /// The authority cannot be used to check devices' certificates.
    #[error("the authority cannot be used: {0}")]
    Authority(#[from] VerifierBuilderError),
}

/// A server's side of TLS 1.2 and 1.3. With `devices`, an authority in PEM, nobody is let in
/// without a certificate of that authority.
///
/// # Errors
/// When certificate, key or authority are not what they should be.
pub fn server(own: Pair<'_>, devices: Option<&str>) -> Result<Arc<ServerConfig>, TlsFault> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match devices {
        None => builder.with_no_client_auth(),
        Some(ca) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider())
                .build()?,
        ),
    };
    let mut config = builder.with_single_cert(certificates(own.certificate)?, key(own.key)?)?;
    if devices.is_some() {
        // A resumed session is not asked for its certificate again, which may have run out since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

/// A client's side: trusts the authorities of `ca` and no other; `own` is shown where the server
/// asks for a certificate.
///
/// # Errors
/// When authority, certificate or key are not what they should be.
pub fn client(ca: &str, own: Option<Pair<'_>>) -> Result<Arc<ClientConfig>, TlsFault> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(ca)?);
    Ok(Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            builder.with_client_auth_cert(certificates(own.certificate)?, key(own.key)?)?
        }
    }))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(pem: &str) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| TlsFault::NoCertificate)?;
    if found.is_empty() { Err(TlsFault::NoCertificate) } else { Ok(found) }
}

fn key(pem: &str) -> Result<PrivateKeyDer<'static>, TlsFault> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsFault::NoKey)
}
