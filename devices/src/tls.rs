//! What a device needs to speak to its broker over TLS: the authorities that it trusts and, where
//! the site wants one, its own certificate with its key.
//!
//! Owns the reading of both from PEM, before the first connection: what is no certificate is told
//! at the start, not at the gate. It refuses to go on without a trusted authority: there is no way
//! to skip the check of the broker's certificate. The link calls it at every connect.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// Why a device cannot speak TLS with what it was given.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// The trusted authorities cannot be read.
    #[error("the trusted authorities hold no certificate in PEM; take the `ca` of the enrolment")]
    NoAuthority,
    /// The device's own certificate cannot be read.
    #[error("the device's certificate is not PEM; enrol it anew")]
    NoCertificate,
    /// Its key cannot be read.
    #[error("the key of the device's certificate is not PEM (PKCS#8, SEC 1 or PKCS#1)")]
    NoKey,
    /// They cannot be used: the key is another certificate's, or of a kind that is not known.
    #[error("the device's certificate and key cannot be used")]
    Unfit(#[from] rustls::Error),
}

/// A device's side of TLS; cheap to clone.
#[derive(Clone)]
pub struct DeviceTls(Arc<ClientConfig>);

impl DeviceTls {
    /// Trusts the authorities of `ca_pem` and no other; `own` is the device's certificate (with
    /// what leads to its authority, if anything) and its key, both in PEM.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub fn new(ca_pem: &[u8], own: Option<(&[u8], &[u8])>) -> Result<Self, TlsFault> {
        let mut trusted = RootCertStore::empty();
        for certificate in certificates(ca_pem).ok_or(TlsFault::NoAuthority)? {
            trusted.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted);
        let config = match own {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate).ok_or(TlsFault::NoCertificate)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsFault::NoKey)?;
                config.with_client_auth_cert(chain, key)?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn transport(&self) -> rumqttc::Transport {
        let config = rumqttc::TlsConfiguration::Rustls(Arc::clone(&self.0));
        rumqttc::Transport::tls_with_config(config)
    }
}

/// Never shows the key.
impl fmt::Debug for DeviceTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceTls").finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_authority_to_trust_there_is_no_connection() {
        for pem in [&b""[..], b"-----BEGIN NOTHING-----\n", b"ca.pem"] {
            assert!(matches!(DeviceTls::new(pem, None), Err(TlsFault::NoAuthority)));
        }
    }
}
