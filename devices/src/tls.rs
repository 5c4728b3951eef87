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
    #![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

    use std::io::{Read as _, Write as _};

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
        KeyUsagePurpose,
    };
    use rustls::{
        ClientConnection, ServerConfig, ServerConnection, pki_types::ServerName,
        server::WebPkiClientVerifier,
    };

    use super::*;

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Issuer {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A certificate and its key in PEM.
    fn signed(by: &Issuer, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, by).unwrap().pem(), key.serialize_pem())
    }

    fn broker(by: &Issuer) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut trusted = RootCertStore::empty();
        trusted.add(by.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), Arc::clone(&provider));
        let (certificate, key) = signed(by, "broker.example");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                certificates(certificate.as_bytes()).unwrap(),
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            );
        Arc::new(config.unwrap())
    }

    /// A device greets a broker; what the broker reads of it, or why there is nothing to read.
    fn greet(device: &DeviceTls, broker: Arc<ServerConfig>) -> Result<String, rustls::Error> {
        let name = ServerName::try_from("broker.example").unwrap();
        let mut device = ClientConnection::new(Arc::clone(&device.0), name)?;
        let mut broker = ServerConnection::new(broker)?;
        device.writer().write_all(b"hello").unwrap();
        for _ in 0..10 {
            let mut wire = Vec::new();
            device.write_tls(&mut wire).unwrap();
            broker.read_tls(&mut wire.as_slice()).unwrap();
            broker.process_new_packets()?;
            let mut wire = Vec::new();
            broker.write_tls(&mut wire).unwrap();
            device.read_tls(&mut wire.as_slice()).unwrap();
            device.process_new_packets()?;
        }
        let mut heard = [0; 5];
        broker.reader().read_exact(&mut heard).unwrap();
        Ok(String::from_utf8(heard.to_vec()).unwrap())
    }

    #[test]
    fn a_device_shows_its_certificate_to_a_broker_that_it_trusts_and_to_no_other() {
        let (site, stranger) = (authority(), authority());
        let own = signed(&site, "n1");
        let own = Some((own.0.as_bytes(), own.1.as_bytes()));
        let device = DeviceTls::new(site.pem().as_bytes(), own).unwrap();
        assert_eq!(greet(&device, broker(&site)).unwrap(), "hello");
        let fault = greet(&device, broker(&stranger)).unwrap_err();
        assert!(matches!(fault, rustls::Error::InvalidCertificate(_)), "{fault}");
        let nameless = DeviceTls::new(site.pem().as_bytes(), None).unwrap();
        let fault = greet(&nameless, broker(&site)).unwrap_err();
        assert!(matches!(fault, rustls::Error::NoCertificatesPresented), "{fault}");
        assert!(!format!("{device:?}").contains("PRIVATE"), "the key is not shown");
    }

    #[test]
    fn what_is_no_certificate_or_key_is_told_at_the_start() {
        let site = authority();
        let (certificate, key) = signed(&site, "n1");
        for pem in [&b""[..], b"-----BEGIN NOTHING-----\n", b"ca.pem"] {
            assert!(matches!(DeviceTls::new(pem, None), Err(TlsFault::NoAuthority)));
            let new = |own| DeviceTls::new(site.pem().as_bytes(), Some(own));
            let fault = new((pem, key.as_bytes()));
            assert!(matches!(fault, Err(TlsFault::NoCertificate)));
            assert!(matches!(new((certificate.as_bytes(), pem)), Err(TlsFault::NoKey)));
        }
        let other = signed(&site, "n2").1;
        let own = Some((certificate.as_bytes(), other.as_bytes()));
        let fault = DeviceTls::new(site.pem().as_bytes(), own);
        assert!(matches!(fault, Err(TlsFault::Unfit(_))), "the key is another's");
    }
}
