//! The site's own certificates: its authority, the program's, its devices', and what a device's
//! certificate says at a connect.
//!
//! Owns their form and how long they last. A device's certificate is made from nothing of its
//! request but the public key: name, purpose and end are the site's, whatever was asked for. It
//! refuses a request whose signature is not its key's, and an authority that cannot sign. The
//! command line makes an authority here, the enrolment a device's certificate, and the broker's
//! door asks who it is that has come.

use std::{net::IpAddr, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use shanmen_protocols::{ids::DeviceId, time::UnixMs};
use x509_parser::certificate::X509Certificate;

/// How long an authority is good for, in days: ten years.
const AUTHORITY_DAYS: u64 = 3_650;
/// How long a server's or a device's certificate is good for, in days: a year and a month's grace.
const LEAF_DAYS: u64 = 397;
/// Certificates are good from an hour ago: the device's clock may be behind.
const BEFORE: Duration = Duration::from_hours(1);
const DAY_S: u64 = 86_400;
/// When it is time for the next one, in milliseconds before the end: 30 days.
pub const SOON_MS: i64 = 30 * 86_400_000;
/// The longest request that is read, in bytes of PEM: an RSA key of 8,192 bits fits.
const REQUEST_MAX_BYTES: usize = 8_192;
/// What the digest of a device's public key is made for: it is never taken for a secret's.
const KEY_CONTEXT: &str = "shanmen 2026 device certificate public key";

/// Why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// The authority's certificate or key is not one, or they do not belong together.
    #[error("the authority's certificate and key cannot be used: {0}")]
    Authority(String),
    /// The device's request cannot be taken.
    #[error("csr: {0}; send a PKCS#10 request in PEM, signed by its own key")]
    Request(String),
    /// A host name or address that no certificate can hold.
    #[error("{0:?} is no host name or address that a certificate can hold")]
    Host(String),
    /// A certificate could not be written.
    #[error("a certificate could not be made: {0}")]
    Unmade(#[from] rcgen::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// A certificate and its key, both in PEM. Its `Debug` form keeps the key to itself.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key (PKCS#8).
    pub key: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// An authority that signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority of this name, good for ten years: gives it as PEM.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn make(name: &str, now: UnixMs) -> Result<Issued, CertificateFault> {
        let key = KeyPair::generate()?;
        let mut params = named(name, now, AUTHORITY_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }

    /// Takes an authority's certificate and key, both in PEM.
    ///
    /// # Errors
    /// [`CertificateFault::Authority`] when they cannot be read, are no authority's, or do not
    /// belong together.
    pub fn load(certificate: &str, key: &str) -> Result<Self, CertificateFault> {
        let fault = |told: &str| CertificateFault::Authority(told.to_owned());
        let key = KeyPair::from_pem(key).map_err(|_| fault("the key is not PEM (PKCS#8)"))?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes())
            .map_err(|_| fault("the certificate is not PEM"))?;
        let parsed = pem.parse_x509().map_err(|_| fault("the certificate cannot be read"))?;
        if !parsed.is_ca() {
            return Err(fault("the certificate is not an authority's"));
        }
        if *parsed.public_key().subject_public_key.data != *key.public_key_raw() {
            return Err(fault("the key is not this certificate's"));
        }
        let issuer = Issuer::from_ca_cert_pem(certificate, key)?;
        Ok(Self { issuer })
    }

    /// Makes a server's certificate for these host names and addresses, good for 397 days.
    ///
    /// # Errors
    /// [`CertificateFault::Host`] for a name that cannot stand in one.
    pub fn server(&self, hosts: &[String], now: UnixMs) -> Result<Issued, CertificateFault> {
        let name = hosts.first().map_or("shanmen", String::as_str);
        let mut params = named(name, now, LEAF_DAYS)?;
        for host in hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    host.clone().try_into().map_err(|_| CertificateFault::Host(host.clone()))?,
                ),
            });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }

    /// Signs a device's request (PKCS#10 in PEM): its certificate in PEM, good for 397 days, named
    /// by the device's id whatever the request says.
    ///
    /// # Errors
    /// [`CertificateFault::Request`] when it is none, or not signed by its own key.
    pub fn device(
        &self,
        request: &str,
        device: &DeviceId,
        now: UnixMs,
    ) -> Result<String, CertificateFault> {
        if REQUEST_MAX_BYTES < request.len() {
            let told = format!("{} bytes, more than {REQUEST_MAX_BYTES}", request.len());
            return Err(CertificateFault::Request(told));
        }
        let request = CertificateSigningRequestParams::from_pem(request)
            .map_err(|error| CertificateFault::Request(error.to_string()))?;
        let mut params = named(device.as_str(), now, LEAF_DAYS)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params.signed_by(&request.public_key, &self.issuer)?.pem())
    }
}

/// Never shows the key.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

fn named(name: &str, now: UnixMs, days: u64) -> Result<CertificateParams, CertificateFault> {
    let mut params = CertificateParams::default();
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    params.distinguished_name = names;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
    params.not_before = epoch + now.saturating_sub(BEFORE);
    params.not_after = epoch + now + Duration::from_secs(days * DAY_S);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|_| CertificateFault::NoRandomness)?;
    // A serial number is positive (RFC 5280, 4.1.2.2).
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// Who a certificate is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Its common name.
    pub(crate) name: String,
    /// The digest of its public key.
    pub(crate) key: [u8; 32],
    /// When it runs out.
    pub(crate) until: UnixMs,
}

/// Reads a certificate that was verified: none when it has no single common name.
pub(crate) fn holder(certificate: &[u8]) -> Option<Holder> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = parsed.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    let key = blake3::derive_key(KEY_CONTEXT, parsed.public_key().raw);
    let until = until(&parsed);
    names.next().is_none().then_some(Holder { name, key, until })
}

/// When a certificate in PEM, the first of its chain, runs out.
pub fn runs_out(pem: &str) -> Option<UnixMs> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&pem.contents).ok()?;
    Some(until(&parsed))
}

fn until(certificate: &X509Certificate<'_>) -> UnixMs {
    UnixMs(certificate.validity().not_after.timestamp().saturating_mul(1000))
}

/// The digest of the public key of a certificate in PEM.
pub(crate) fn key_digest(pem: &str) -> Option<[u8; 32]> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    holder(&pem.contents).map(|holder| holder.key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn authority() -> Authority {
        let made = Authority::make("Test CA", NOW).unwrap();
        Authority::load(&made.certificate, &made.key).unwrap()
    }

    fn contents(pem: &str) -> Vec<u8> {
        x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents
    }

    #[test]
    fn a_device_gets_its_own_name_and_purpose_whatever_it_asks_for() {
        let key = KeyPair::generate().unwrap();
        let mut asked = CertificateParams::new(vec!["gate.example".to_owned()]).unwrap();
        asked.distinguished_name.push(DnType::CommonName, "n2");
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        asked.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let request = asked.serialize_request(&key).unwrap().pem().unwrap();
        let id = DeviceId::new("n1").unwrap();
        let pem = authority().device(&request, &id, NOW).unwrap();
        let der = contents(&pem);
        let (_, made) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert_eq!(holder(&der).unwrap().name, "n1");
        assert_eq!(key_digest(&pem), Some(holder(&der).unwrap().key));
        assert!(!made.is_ca());
        let usage = made.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
        assert!(made.subject_alternative_name().unwrap().is_none());
        let days = (made.validity().not_after.timestamp() - NOW.0 / 1000) / 86_400;
        assert_eq!(days, 397);
        assert_eq!(runs_out(&pem), Some(holder(&der).unwrap().until));
        assert_eq!(runs_out("nonsense"), None);
    }

    #[test]
    fn a_request_that_its_key_has_not_signed_is_refused() {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap();
        let mut der = request.der().to_vec();
        let last = der.len() - 1;
        der[last] ^= 1;
        let body = data_encoding::BASE64.encode(&der);
        let pem = format!(
            "-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"
        );
        let id = DeviceId::new("n1").unwrap();
        for bad in [pem.as_str(), "", "x", &"x".repeat(REQUEST_MAX_BYTES + 1)] {
            let fault = authority().device(bad, &id, NOW).unwrap_err();
            assert!(matches!(fault, CertificateFault::Request(_)), "{fault}");
        }
    }

    #[test]
    fn an_authority_has_its_own_key_and_is_one() {
        let (one, other) = (Authority::make("a", NOW).unwrap(), Authority::make("a", NOW).unwrap());
        assert!(Authority::load(&one.certificate, &other.key).is_err());
        let server = authority().server(&["gate.local".into(), "10.0.0.5".into()], NOW).unwrap();
        let fault = Authority::load(&server.certificate, &server.key).unwrap_err().to_string();
        assert!(fault.contains("not an authority's"), "{fault}");
        assert!(!format!("{one:?}").contains("PRIVATE"), "the key is not shown");
        assert!(authority().server(&["gate local 山".into()], NOW).is_err());
    }
}
