//! `--tls self-signed`: a CA of the relay's own. Its certificate stays the same over restarts, so that who trusted
//! `ca.pem` once goes on doing so; the leaf is made anew at each start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use super::{TlsError, check, provider};
use crate::config::Domain;
use crate::state;

/// The longest life that common platforms accept of a leaf under a CA that a user added.
const LEAF_LIFE: Duration = Duration::days(820);
/// The CA's life: as long as a relay may want to stay without telling everybody to trust another one.
const CA_LIFE: Duration = Duration::days(3650);

/// The relay's own CA.
#[derive(Debug, Clone)]
pub(crate) struct LocalCa {
    /// Its certificate.
    pub(crate) pem: String,
    /// Where the certificate is kept, unless it is only in memory.
    pub(crate) path: Option<PathBuf>,
    /// SHA-256 of the certificate, as `AB:CD:…`.
    pub(crate) fingerprint: String,
}

impl LocalCa {
    /// Whether [`load`](Self::load) could use what is kept in `dir`, if something is.
    pub(super) fn check(dir: &Path) -> Result<(), TlsError> {
        whole(dir)
    }

    /// The CA of `dir`, or a new one, and a leaf of it for `domain`, everything under it, and this machine.
    pub(super) fn load(dir: Option<&Path>, domain: &Domain) -> Result<(Self, CertifiedKey), TlsError> {
        let (pem, key) = match dir.map(kept).transpose()?.flatten() {
            Some(kept) => kept,
            None => make(dir, domain)?,
        };
        let path = dir.map(|dir| dir.join("ca.pem"));
        let bad = |why: String| broken(path.as_deref(), &why);
        let ca = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| bad(error.to_string()))?;
        let key = KeyPair::from_pem(&key).map_err(|error| bad(error.to_string()))?;
        let issuer = Issuer::from_ca_cert_der(&ca, key).map_err(|error| bad(error.to_string()))?;
        let leaf = leaf(domain, &issuer, &ca)?;
        let fingerprint = fingerprint(&ca);
        Ok((Self { pem, path, fingerprint }, leaf))
    }
}

/// As the CA is, where there is one, it can be used.
fn whole(dir: &Path) -> Result<(), TlsError> {
    let Some((pem, key)) = kept(dir)? else { return Ok(()) };
    check::is_authority(&pem, &key).map_err(|why| broken(Some(&dir.join("ca.pem")), &why))
}

fn broken(path: Option<&Path>, why: &str) -> TlsError {
    TlsError::File {
        what: "local CA",
        path: path.map(Path::to_owned).unwrap_or_default(),
        why: format!("{why}; remove ca.pem and ca.key to get a new one"),
    }
}

fn kept(dir: &Path) -> Result<Option<(String, String)>, TlsError> {
    let read = |name: &'static str| -> Result<Option<String>, TlsError> {
        let path = dir.join(name);
        let Some(bytes) = state::read(&path)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| TlsError::File {
            what: "local CA",
            path,
            why: "it is not PEM".into(),
        })
    };
    match (read("ca.pem")?, read("ca.key")?) {
        (Some(pem), Some(key)) => Ok(Some((pem, key))),
        (None, None) => Ok(None),
        (pem, _) => {
            let (there, missing) = if pem.is_some() { ("ca.pem", "ca.key") } else { ("ca.key", "ca.pem") };
            Err(TlsError::File {
                what: "local CA",
                path: dir.join(missing),
                why: format!("it is missing while {there} is there; restore it, or remove {there} to get a new CA"),
            })
        }
    }
}

fn make(dir: Option<&Path>, domain: &Domain) -> Result<(String, String), TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&format!("gantz relay CA for {}", domain.as_str()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    live(&mut params, CA_LIFE);
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    let key = key.serialize_pem();
    if let Some(dir) = dir {
        state::write(&dir.join("ca.key"), key.as_bytes(), 0o600)?;
        state::write(&dir.join("ca.pem"), pem.as_bytes(), 0o644)?;
    }
    Ok((pem, key))
}

fn leaf(domain: &Domain, issuer: &Issuer<'_, KeyPair>, ca: &CertificateDer<'static>) -> Result<CertifiedKey, TlsError> {
    let domain = domain.as_str();
    let mut params = CertificateParams::new(vec![domain.to_owned(), format!("*.{domain}"), "localhost".to_owned()])?;
    // A relay that is tried out on one machine is dialled by address.
    params
        .subject_alt_names
        .extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].into_iter().map(SanType::IpAddress));
    params.distinguished_name = named(domain);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    live(&mut params, LEAF_LIFE);
    let key = KeyPair::generate()?;
    let leaf = params.signed_by(&key, issuer)?;
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Ok(CertifiedKey::from_der(vec![leaf.der().clone(), ca.clone()], private, &provider())?)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Valid from a day ago, for clocks that are behind.
fn live(params: &mut CertificateParams, life: Duration) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(1);
    params.not_after = now + life - Duration::days(1);
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = digest::digest(&digest::SHA256, certificate);
    let pairs: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}
