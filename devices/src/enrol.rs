//! Enrolment: a device trades a one-time claim for its identity, its secret and whom to trust, and
//! writes what the device program reads.
//!
//! The claim is gone once it was traded, so the files are made before: a disk that is full is told
//! while the claim is still good. It refuses to write over a file that is there. What is secret is
//! readable for its owner only. The device program calls it.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use serde::{Deserialize, Serialize};
use shanmen_protocols::ids::{DeviceId, LaneId, SiteId};

/// How long the control plane may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is traded, and where the answer goes.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The control plane, `http://…` or `https://…`.
    pub server: String,
    /// The authority to trust over HTTPS, in PEM, where it is not a public one.
    pub ca: Option<PathBuf>,
    /// The machine's serial number.
    pub serial: String,
    /// Its model.
    pub model: String,
    /// The lane that it stands in, for a turnstile.
    pub lane: Option<LaneId>,
    /// The file to write.
    pub out: PathBuf,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum NotEnrolled {
    /// A file cannot be made, or is there.
    #[error("{path}: {why}; name another file with --out, or move this one away")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The control plane cannot be asked.
    #[error("{server} cannot be asked: {why}")]
    Unreachable {
        /// Which.
        server: String,
        /// Why.
        why: String,
    },
    /// It refuses the claim.
    #[error("the control plane refuses ({status}): {why}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it says.
        why: String,
    },
    /// No key or request for a certificate could be made.
    #[error("no certificate could be asked for: {0}")]
    Key(#[from] rcgen::Error),
}

#[derive(Serialize)]
struct Ask<'a> {
    claim: &'a str,
    serial: &'a str,
    model: &'a str,
    csr: &'a str,
}

/// What the control plane tells, once.
#[derive(Deserialize)]
struct Told {
    site: SiteId,
    device: DeviceId,
    broker: String,
    username: String,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    ca: Option<String>,
    #[serde(default)]
    certificate: Option<String>,
}

/// Trades `code`; the name that the device has from now on.
///
/// # Errors
/// [`NotEnrolled`]: nothing is left behind.
pub async fn enrol(claim: &Claim, code: &str) -> Result<DeviceId, NotEnrolled> {
    let mut file = make(&claim.out)?;
    let result = trade(claim, code, &mut file).await;
    if result.is_err()
        && let Err(error) = fs::remove_file(&claim.out)
    {
        tracing::warn!(%error, file = %claim.out.display(), "an empty file is left");
    }
    result
}

async fn trade(claim: &Claim, code: &str, file: &mut File) -> Result<DeviceId, NotEnrolled> {
    let key = KeyPair::generate()?;
    let csr = CertificateParams::default().serialize_request(&key)?.pem()?;
    let told =
        ask(claim, &Ask { claim: code, serial: &claim.serial, model: &claim.model, csr: &csr })
            .await?;
    let mut beside = Beside { out: &claim.out, lines: String::new() };
    if let Some(ca) = &told.ca {
        beside.write("ca", "ca.pem", ca)?;
    }
    if let Some(certificate) = &told.certificate {
        beside.write("cert", "cert.pem", certificate)?;
        beside.write("key", "key.pem", &key.serialize_pem())?;
    }
    let text = text(claim, &told, &beside.lines);
    let kept = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    kept.map_err(|why| NotEnrolled::File { path: claim.out.clone(), why })?;
    Ok(told.device)
}

async fn ask(claim: &Claim, ask: &Ask<'_>) -> Result<Told, NotEnrolled> {
    let unreachable = |why: String| NotEnrolled::Unreachable { server: claim.server.clone(), why };
    // Over a network nobody has to see the claim, nor the secret that comes for it.
    let mut client = reqwest::Client::builder().timeout(TIMEOUT);
    if let Some(ca) = &claim.ca {
        let pem = fs::read(ca).map_err(|why| NotEnrolled::File { path: ca.clone(), why })?;
        let trusted = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|error| unreachable(chain(&error)))?;
        client = client.tls_certs_only(trusted);
    }
    let client = client.build().map_err(|error| unreachable(chain(&error)))?;
    let url = format!("{}/enrol", claim.server.trim_end_matches('/'));
    let answer = client.post(url).json(ask).send().await;
    let answer = answer.map_err(|error| unreachable(chain(&error.without_url())))?;
    let status = answer.status();
    if !status.is_success() {
        let problem = answer.json::<serde_json::Value>().await.unwrap_or_default();
        let why = ["detail", "title"].iter().find_map(|key| problem[key].as_str());
        let why = why.unwrap_or("it gives no reason").to_owned();
        return Err(NotEnrolled::Refused { status: status.as_u16(), why });
    }
    answer.json().await.map_err(|error| unreachable(chain(&error.without_url())))
}

/// An error with what led to it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, ": {error}").ok();
        source = error.source();
    }
    text
}

/// Files beside the one that names them.
struct Beside<'a> {
    out: &'a Path,
    lines: String,
}

impl Beside<'_> {
    fn write(&mut self, name: &str, end: &str, text: &str) -> Result<(), NotEnrolled> {
        let path = self.out.with_extension(end);
        let mut file = make(&path)?;
        let kept = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        kept.map_err(|why| NotEnrolled::File { path: path.clone(), why })?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(self.lines, "{name} = {}", quoted(&file)).ok();
        Ok(())
    }
}

fn make(path: &Path) -> Result<File, NotEnrolled> {
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    made.map_err(|why| NotEnrolled::File { path: path.to_owned(), why })
}

fn quoted(text: &str) -> toml::Value {
    toml::Value::String(text.to_owned())
}

fn text(claim: &Claim, told: &Told, files: &str) -> String {
    let lane = claim.lane.as_ref().map(|lane| format!("lane = \"{lane}\"\n")).unwrap_or_default();
    let password = told.password.as_ref();
    let password =
        password.map(|password| format!("password = {}\n", quoted(password))).unwrap_or_default();
    format!(
        "# Made by the enrolment. It holds a secret: only its owner may read it.\n\
         site = \"{}\"\ndevice = \"{}\"\n{lane}serial = {}\ndata = \"data\"\n\n\
         [broker]\nurl = {}\nusername = {}\n{password}{files}",
        told.site,
        told.device,
        quoted(&claim.serial),
        quoted(&told.broker),
        quoted(&told.username),
    )
}
