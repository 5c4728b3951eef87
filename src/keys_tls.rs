//! `shanmen keys tls`: an authority of the site's own, and a server certificate signed by it.
//!
//! Owns the four files and their names: `ca.pem`, `ca.key`, `server.pem`, `server.key`, the keys
//! readable by their owner alone. An authority that is there already is used again, so that a new
//! server certificate needs no device to be touched. Called by the command line.

use std::{io::Write, path::Path};

use anyhow::{Context as _, bail};
use shanmen_actors::certificates::Authority;
use shanmen_protocols::time::UnixMs;

use crate::folder;

/// Under these the program is reached from its own machine.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Writes authority and server certificate for `hosts` (and the loopback) into `dir`, and tells
/// what to put into the configuration.
///
/// # Errors
/// When a host cannot stand in a certificate, an authority that is there cannot be used, or a file
/// cannot be written.
pub fn make(dir: &Path, hosts: &[String], now: UnixMs, out: &mut impl Write) -> anyhow::Result<()> {
    folder::make_private_dir(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let [ca, ca_key] = ["ca.pem", "ca.key"].map(|name| dir.join(name));
    let authority = match (ca.exists(), folder::read_private(&ca_key)?) {
        (true, Some(key)) => load(&ca, &key)?,
        (false, None) => {
            let made = Authority::make("Shanmen site authority", now)?;
            write(&ca_key, &made.key)?;
            write(&ca, &made.certificate)?;
            load(&ca, made.key.as_bytes())?
        }
        _ => bail!(
            "of {} and {} one is missing; restore it, or move both away for a new authority (all \
             devices have to be enrolled anew then)",
            ca.display(),
            ca_key.display()
        ),
    };
    let mut names = hosts.to_vec();
    for own in OWN_NAMES {
        if !names.iter().any(|name| name == own) {
            names.push(own.to_owned());
        }
    }
    let server = authority.server(&names, now)?;
    let [cert, key] = ["server.pem", "server.key"].map(|name| dir.join(name));
    write(&key, &server.key)?;
    write(&cert, &server.certificate)?;
    writeln!(out, "[security]\nprofile = \"tls\"   # or \"mtls\": a certificate for each device")?;
    for (name, path) in [("ca", ca), ("ca_key", ca_key), ("cert", cert), ("key", key)] {
        // As TOML writes it, whatever is in the path.
        writeln!(out, "{name} = {}", toml::Value::String(path.display().to_string()))?;
    }
    Ok(())
}

fn load(ca: &Path, key: &[u8]) -> anyhow::Result<Authority> {
    let certificate =
        std::fs::read_to_string(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    let key = std::str::from_utf8(key).context("ca.key is not PEM")?;
    Authority::load(&certificate, key).with_context(|| format!("{}", ca.display()))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    folder::write_whole(path, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    #[test]
    fn what_is_told_is_a_configuration_and_the_authority_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        make(dir.path(), &["gate.example".to_owned()], NOW, &mut told).unwrap();
        let config = config::parse("f", &String::from_utf8(told).unwrap(), &[]).unwrap();
        let security = crate::tls_files::security(&config).unwrap();
        assert!(security.broker.is_some() && security.authority.is_some());
        assert!(crate::tls_files::http(&config).unwrap().is_some());
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        let before = (read("ca.pem"), read("server.pem"));
        make(dir.path(), &["10.1.2.3".to_owned()], NOW, &mut Vec::new()).unwrap();
        assert_eq!(read("ca.pem"), before.0);
        assert_ne!(read("server.pem"), before.1);
        std::fs::remove_file(dir.path().join("ca.pem")).unwrap();
        let fault = make(dir.path(), &[], NOW, &mut Vec::new()).unwrap_err().to_string();
        assert!(fault.contains("one is missing"), "{fault}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        make(dir.path(), &[], NOW, &mut told).unwrap();
        let key = dir.path().join("server.key");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let config = config::parse("f", &String::from_utf8(told).unwrap(), &[]).unwrap();
        let fault = format!("{:#}", crate::tls_files::security(&config).unwrap_err());
        assert!(fault.contains("chmod 600"), "{fault}");
    }
}
